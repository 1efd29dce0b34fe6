"""A client's session with one server, live or replayed: it asks what the script says, in order."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastmcp import Client
from mcp import MCPError

from mcptap.demo.script import Script, Step
from mcptap.demo.wire import WatchedTransport
from mcptap.errors import UpstreamError
from mcptap.model import Json
from mcptap.protocol import PROGRESS_TOKEN

_TIMEOUT: Final = 30.0
_LIVE_BOUND: Final = frozenset({"jsonrpc", "id"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request.

    Attributes:
        events: What the server said and asked before its answer, and what the client replied.
        outcome: Its ``result`` or its ``error``, as the only member.
        ms: How long it took; ``None`` for the opening, which waits for the server's start.
    """

    events: tuple[Json, ...]
    outcome: Json
    ms: float | None

    def as_json(self) -> Json:
        """The whole of it but the time."""
        return {"events": list(self.events), **self.outcome}


class Session:
    """An open session; made by `open_session`.

    Attributes:
        opening: The server's answer to the request that opened it.
    """

    def __init__(self, script: Script, argv: list[str], log: Path) -> None:
        self._script = script
        self._arrived: list[Json] = []
        transport = WatchedTransport(
            argv, self._arrive, log_file=log, env=dict(os.environ), cwd=str(log.parent)
        )
        self.client: Client[Any] = Client(
            transport,
            mode=script.mode,
            elicitation_handler=self._elicited,
            timeout=_TIMEOUT,
            init_timeout=_TIMEOUT,
        )
        self.opening: Answer

    def opened(self) -> None:
        """Keep what has come so far as the opening."""
        self.opening = self._taken(None)

    async def ask_all(self) -> list[Answer]:
        """Ask everything that the script says; the opening comes first in what is given."""
        return [self.opening, *[await self._ask(step) for step in self._script.steps]]

    async def _ask(self, step: Step) -> Answer:
        began = time.perf_counter()
        with contextlib.suppress(MCPError):  # it arrived as a message, and is kept as such
            if step.tool is None:
                await self.client.list_tools_mcp()
            else:
                await self.client.call_tool_mcp(step.tool, dict(step.arguments))
        return self._taken((time.perf_counter() - began) * 1000)

    def _taken(self, ms: float | None) -> Answer:
        if not self._arrived or "method" in self._arrived[-1]:
            raise UpstreamError("it gave no answer")
        *events, outcome = self._arrived
        self._arrived.clear()
        return Answer(tuple(events), outcome, ms)

    def _arrive(self, message: Json) -> None:
        """Keep a message without what is another one in each session."""
        kept = {name: value for name, value in message.items() if name not in _LIVE_BOUND}
        if isinstance(params := kept.get("params"), dict):
            kept["params"] = {name: value for name, value in params.items() if name != PROGRESS_TOKEN}
        self._arrived.append(kept)

    async def _elicited(self, *_: Any) -> str:
        self._arrived.append({"reply": self._script.reply})
        return self._script.reply


@contextlib.asynccontextmanager
async def open_session(script: Script, argv: list[str], log: Path) -> AsyncIterator[Session]:
    """Start ``argv`` and open a session with it.

    Args:
        script: What is going to be asked.
        argv: The server, or the mcptap that stands in for it.
        log: Gets what it prints on stderr.

    Raises:
        UpstreamError: It can't be started, or doesn't answer.
    """
    session = Session(script, argv, log)
    try:
        async with session.client:
            session.opened()
            yield session
    except UpstreamError as error:
        raise UpstreamError(f"the demo failed at {script.name}: {error.message}{_last_words(log)}") from error
    except Exception as error:
        raise UpstreamError(f"the demo failed at {script.name}: {error}{_last_words(log)}") from error


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    said = [line.strip() for line in lines if line.strip()]
    return f" ({said[-1]})" if said else ""
