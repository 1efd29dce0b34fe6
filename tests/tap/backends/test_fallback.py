"""A recording with the real server behind it: what is known is replayed, and only the rest is asked."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcptap.cassette.index import CassetteIndex
from mcptap.cassette.reader import open_cassette
from mcptap.errors import UpstreamError
from mcptap.exchange import Backend, BackendSession, Exchange, RpcError, Session
from mcptap.matching.canonical import key_of
from mcptap.model import Era, Json
from mcptap.player import Player
from mcptap.recorder import Recorder
from mcptap.recording import record_to
from mcptap.tap.backends.fallback import Fallback
from mcptap.tap.backends.recorded import Recorded
from mcptap.tap.backends.replay import CassetteBackend
from mcptap.tap.channel import NoChannel

pytestmark = pytest.mark.anyio

INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "c", "version": "1"},
}


@dataclass
class Server:
    """A live backend that notes what it is asked, and that its sessions end where they began."""

    asked: list[tuple[str, Json | None]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    down: bool = False

    @contextlib.asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[BackendSession]:
        if self.down:
            raise UpstreamError("nobody is there")
        self.opened += 1
        with anyio.CancelScope():
            try:
                yield _ServerSession(self, session)
            finally:
                self.closed += 1


@dataclass
class _ServerSession:
    server: Server
    session: Session

    async def request(self, exchange: Exchange) -> Json:
        self.server.asked.append((exchange.method, exchange.params))
        if exchange.method == "custom/broken":
            raise RpcError.of(-32001, "broken")
        await exchange.notify("notifications/progress", {"progress": 1})
        await self.session.channel.notify("notifications/message", {"level": "info", "data": "live"})
        return {"said": "live", "method": exchange.method}

    async def notify(self, method: str, params: Json | None) -> None:
        self.server.heard.append(method)


@dataclass
class Sink:
    lines: list[dict[str, Any]] = field(default_factory=list)

    def append(self, line: Any) -> int:
        self.lines.append(dict(line))
        return 1


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """A recording of a session with an `initialize` and one call."""
    path = tmp_path / "rec.jsonl"
    with record_to(path) as recorder:
        session = Session("handshake", "memory", None, NoChannel())
        for method, params in (("initialize", INITIALIZE), ("tools/call", {"name": "known"})):
            opened = recorder.begin(Exchange(session, method, params, NoChannel()))
            opened.finish(result={"said": "recorded", "method": method})
    return path


def fallback(path: Path, live: Backend, report: Callable[[str], None]) -> tuple[Player, Fallback]:
    player = Player(CassetteIndex.of([open_cassette(path)], key_of))
    return player, Fallback(CassetteBackend(player, report, lambda _: None), live, report)


def session(era: Era = "handshake") -> Session:
    return Session(era, "memory", None, NoChannel())


async def ask(opened: BackendSession, whose: Session, method: str, params: Json | None) -> Json:
    return await opened.request(Exchange(whose, method, params, NoChannel()))


async def test_what_is_known_is_replayed_and_nobody_is_asked(cassette: Path) -> None:
    server, said, whose = Server(down=True), list[str](), session()
    player, backend = fallback(cassette, server, said.append)
    async with backend, backend.session(whose) as opened:
        assert (await ask(opened, whose, "initialize", INITIALIZE))["said"] == "recorded"
        await opened.notify("notifications/initialized", None)
        assert (await ask(opened, whose, "tools/call", {"name": "known"}))["said"] == "recorded"
    assert (server.asked, server.heard, said) == ([], [], [])
    assert player.summary().sentence() == "played 2, repeated 0, missed 0, unused 0"


async def test_a_miss_is_forwarded_in_a_session_begun_as_the_client_has_begun_it(cassette: Path) -> None:
    server, said, whose = Server(), list[str](), session()
    player, backend = fallback(cassette, server, said.append)
    async with backend, backend.session(whose) as opened:
        await ask(opened, whose, "initialize", INITIALIZE)
        await opened.notify("notifications/initialized", None)
        for name in ("new", "newer"):
            assert (await ask(opened, whose, "tools/call", {"name": name}))["said"] == "live"
        await opened.notify("notifications/roots/list_changed", None)
        assert (await ask(opened, whose, "tools/call", {"name": "known"}))["said"] == "recorded"
    assert server.asked == [
        ("initialize", INITIALIZE),
        ("tools/call", {"name": "new"}),
        ("tools/call", {"name": "newer"}),
    ]
    assert server.heard == ["notifications/initialized", "notifications/roots/list_changed"]
    assert (server.opened, server.closed) == (1, 1)
    assert len(said) == 2
    assert all(line.startswith("forwarded to the server: The cassette has no tools/call") for line in said)
    assert player.summary().sentence() == "played 2, repeated 0, missed 0, unused 0, forwarded 2"


async def test_an_initialize_that_is_no_hit_is_sent_once(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    with record_to(path):
        pass
    server, whose = Server(), session()
    _, backend = fallback(path, server, lambda _: None)
    async with backend, backend.session(whose) as opened:
        assert (await ask(opened, whose, "initialize", INITIALIZE))["said"] == "live"
        await opened.notify("notifications/initialized", None)
        await ask(opened, whose, "tools/call", {"name": "known"})
    assert [method for method, _ in server.asked] == ["initialize", "tools/call"]
    assert server.heard == ["notifications/initialized"]


async def test_a_server_that_is_not_there_is_the_answer_to_what_was_forwarded_alone(cassette: Path) -> None:
    whose = session()
    _, backend = fallback(cassette, Server(down=True), lambda _: None)
    async with backend, backend.session(whose) as opened:
        with pytest.raises(UpstreamError, match="nobody is there"):
            await ask(opened, whose, "tools/call", {"name": "new"})
        assert (await ask(opened, whose, "tools/call", {"name": "known"}))["said"] == "recorded"


async def test_only_what_the_real_server_has_said_is_recorded(cassette: Path) -> None:
    sink, whose = Sink(), session()
    server = Server()
    _, backend = fallback(cassette, Recorded(server, Recorder(sink)), lambda _: None)
    async with backend, backend.session(whose) as opened:
        await ask(opened, whose, "initialize", INITIALIZE)
        await opened.notify("notifications/initialized", None)
        await ask(opened, whose, "tools/call", {"name": "known"})
        assert sink.lines == []
        await ask(opened, whose, "tools/call", {"name": "new"})
        with pytest.raises(RpcError, match="broken"):
            await ask(opened, whose, "custom/broken", None)
    requests = [line for line in sink.lines if line["kind"] == "interaction"]
    assert [line["method"] for line in requests] == ["initialize", "tools/call", "custom/broken"]
    assert requests[1]["params"] == {"name": "new"}
    assert [event["method"] for event in requests[1]["events"]] == ["notifications/progress"]
    assert requests[2]["error"] == {"code": -32001, "message": "broken"}
    outside = [(line["from"], line["method"]) for line in sink.lines if line["kind"] == "message"]
    assert ("client", "notifications/initialized") in outside
    assert ("server", "notifications/message") in outside
    assert whose.channel.__class__ is NoChannel  # what a recording says there is no news
