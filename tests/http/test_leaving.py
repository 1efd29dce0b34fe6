"""Clients over Streamable HTTP that go away without a word: their server's process goes with them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import anyio.lowlevel
import psutil
import pytest

from mcptap.model import Era
from mcptap.tap.app import Tap
from mcptap.tap.callers import Callers
from mcptap.tap.creating import create_tap
from mcptap.tap.http_front import serve_http
from mcptap.tap.http_sessions import Presence
from mcptap.tap.listening import address_of, listen_on
from tests.clients.raw import HttpClient, handshake
from tests.http.running import PATIENCE, ROOT, WIRE, server
from tests.http.test_standalone import initialize
from tests.servers.processes import ended

LONG: Final = 3600.0
SHORT: Final = 0.05
VISITOR: Final = """
import asyncio
import sys
from tests.clients.raw import HttpClient, handshake
from tests.http.test_standalone import initialize


async def main():
    async with HttpClient(sys.argv[1], era=sys.argv[3]) as client:
        await (initialize if sys.argv[2] == "no stream" else handshake)(client)
        for _ in sys.stdin:
            if client.era == "handshake":
                await client.notify("notifications/roots/list_changed")  # leaves its socket open
            await client.call("echo", {"text": "I was here"})
            print("here", flush=True)
        await asyncio.Event().wait()


asyncio.run(main())
"""


@asynccontextmanager
async def serving(target: Any, patience: float, **options: Any) -> AsyncIterator[tuple[Tap, str]]:
    """A tap before ``target`` in this process, on a socket."""
    tap = create_tap(target, report=lambda _: None, **options)
    tap.client_patience = patience
    taken, stop = listen_on("127.0.0.1", 0), anyio.Event()
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            await serve_http(tap, taken, transport="http", path="/mcp", stop=stop)

        tasks.start_soon(serve)
        with contextlib.suppress(asyncio.CancelledError):
            yield tap, address_of(taken, "/mcp")
        stop.set()


def children() -> list[int]:
    """The servers that were started from here."""
    found = []
    for each in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it is just ending
            if "tests.servers.wire" in each.cmdline():
                found.append(each.pid)
    return found


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("era", "habit"), [("handshake", "stream"), ("handshake", "no stream"), ("modern", "bridged")]
)
async def test_the_process_of_a_killed_client_ends_and_nobody_elses(
    era: Era, habit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, learn = anyio.Event(), Callers.learn

    def learned(self: Callers, process: psutil.Process | None) -> None:
        learn(self, process)
        if process is not None and process.pid != os.getpid():
            known.set()

    monkeypatch.setattr(Callers, "learn", learned)
    target, options = ([*WIRE, "--era", "handshake"], {"bridge": "auto"}) if era == "modern" else (WIRE, {})
    async with (
        serving(target, SHORT, **options) as (_, url),
        HttpClient(url, era=era, timeout=PATIENCE) as other,
    ):
        await (initialize if habit == "no stream" else handshake)(other)
        async with asyncio.timeout(PATIENCE):
            while len(children()) > 1:  # one was asked for its era alone
                await anyio.lowlevel.checkpoint()
        (others,) = children()
        argv = [sys.executable, "-c", VISITOR, url, habit, era]
        pipe = asyncio.subprocess.PIPE
        visitor = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, cwd=ROOT)
        assert visitor.stdin is not None
        assert visitor.stdout is not None
        async with asyncio.timeout(PATIENCE):
            for _ in range(2):
                visitor.stdin.write(b"\n")
                assert await visitor.stdout.readline() == b"here\n"
                await known.wait()
        (child,) = set(children()) - {others}
        visitor.kill()
        await visitor.wait()
        await ended(child, within=PATIENCE)
        assert (await other.call("echo", {"text": "still"})).result["content"]
        assert children() == [others]


@pytest.mark.anyio
async def test_who_comes_back_too_late_is_told_to_begin_again() -> None:
    async with serving(WIRE, SHORT) as (_, url), HttpClient(url, timeout=PATIENCE) as client:
        await handshake(client)
        (child,) = children()
        await client.drop_streams()
        await ended(child, within=PATIENCE)
        answer = await client.post('{"jsonrpc":"2.0","id":7,"method":"ping"}')
        assert answer.status == 404  # "the client MUST start a new session", says the specification
        client.session_id = None
        assert "result" in (await handshake(client)).body


@pytest.mark.anyio
async def test_who_never_opened_a_stream_is_not_missed() -> None:
    async with serving(WIRE, SHORT) as (_, url), HttpClient(url, timeout=PATIENCE) as client:
        await initialize(client)
        (child,) = children()
        await anyio.sleep(4 * SHORT)
        assert (await client.call("echo", {"text": "still"})).result["content"]
        assert children() == [child]


@pytest.mark.anyio
async def test_a_session_at_a_server_that_is_no_process_of_ours_outlasts_a_broken_line() -> None:
    async with (
        server("wire_http", "0") as upstream,
        serving(f"{upstream.url}/mcp", 0.0) as (_, url),
        HttpClient(url, timeout=PATIENCE) as client,
    ):
        await handshake(client)
        await client.drop_streams()
        assert (await client.call("echo", {"text": "still"})).result["content"]


@pytest.mark.anyio
async def test_a_client_with_a_request_open_is_there() -> None:
    presence = Presence()
    left: list[bool] = []

    async def watch() -> None:
        left.append(await presence.absent(0))

    async with anyio.create_task_group() as tasks:
        with presence.visit():
            tasks.start_soon(watch)
            await anyio.wait_all_tasks_blocked()
            with presence.visit():
                await anyio.wait_all_tasks_blocked()
            await anyio.wait_all_tasks_blocked()
            assert left == []
    assert left == [True]


@pytest.mark.anyio
async def test_a_client_that_comes_back_has_not_left_and_one_that_says_goodbye_is_not_missed() -> None:
    presence = Presence()
    left: list[bool] = []

    async def watch() -> None:
        left.append(await presence.absent(LONG))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await anyio.wait_all_tasks_blocked()
        with presence.visit():
            pass
        await anyio.wait_all_tasks_blocked()
        assert left == []
        presence.end()
    assert left == [False]


@pytest.mark.anyio
async def test_a_session_that_its_client_ends_is_not_watched_any_longer() -> None:
    async with serving(WIRE, LONG) as (tap, url):
        async with HttpClient(url, timeout=PATIENCE) as client:
            await handshake(client)
            (child,) = children()
        await ended(child, within=PATIENCE)
        with anyio.fail_after(PATIENCE):
            while "_end_when_left" in [each.name for each in anyio.get_running_tasks()]:
                await anyio.lowlevel.checkpoint()
    assert tap.failure is None
