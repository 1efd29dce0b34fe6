"""Every command ends at once, cleanly and completely, however it is told to."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from tests.clients.base import compose
from tests.clients.raw import PipeClient, handshake
from tests.servers.processes import ended, is_running
from tests.stdio.support import (
    PROMPT,
    WIRE,
    complaints,
    end,
    interactions,
    mcptap,
    misbehaving,
    recording,
    run,
)

WAYS = [signal.SIGINT, signal.SIGTERM, None]
NAMES = ["SIGINT", "SIGTERM", "stdin closed"]
SUMMARY = {"record": "mcptap: recorded ", "replay": "mcptap: played "}


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def open_idle(verb: str, cassette: Path) -> PipeClient:
    """A command in the middle of a session."""
    if verb == "replay":
        async with recording(cassette) as tap:
            await handshake(tap)
            await tap.call("mixed")
        tap = mcptap("replay", cassette)
    else:
        output = ["-o", str(cassette)] if verb == "record" else []
        tap = mcptap(verb, *output, "--", *WIRE)
    await tap.start()
    await handshake(tap)
    await tap.call("mixed")
    return tap


def assert_clean(tap: PipeClient, code: int, seconds: float) -> None:
    assert (code, complaints(tap)) == (0, [])
    assert "Traceback" not in tap.stderr
    assert seconds < PROMPT


@pytest.mark.parametrize("how", WAYS, ids=NAMES)
@pytest.mark.parametrize("verb", ["record", "proxy", "replay"])
def test_an_idle_command_ends_at_once(verb: str, how: signal.Signals | None, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        tap = await open_idle(verb, cassette)
        servers = children(tap.pid)
        assert len(servers) == (0 if verb == "replay" else 1)
        assert_clean(tap, *await end(tap, how))
        assert not any(map(is_running, servers))
        assert (SUMMARY.get(verb, "mcptap: ") in tap.stderr) == (verb != "proxy")
        await tap.close()
        if verb == "record":
            assert [each.outcome for each in interactions(cassette)] == [None, None]

    run(work())


@pytest.mark.parametrize("how", WAYS, ids=NAMES)
def test_what_is_pending_is_recorded_as_unanswered(how: signal.Signals | None, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with recording(cassette) as tap:
            await handshake(tap)
            pending = [asyncio.ensure_future(tap.call("never", {"n": n})) for n in range(3)]
            await tap.request("ping")
            assert_clean(tap, *await end(tap, how))
            await asyncio.gather(*pending, return_exceptions=True)
        assert [each.outcome for each in interactions(cassette)] == [None, None, *["unanswered"] * 3]
        assert cassette.read_bytes().endswith(b"}\n")

    run(work())


def test_a_server_that_asks_a_client_who_has_left_is_told_so(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with recording(cassette) as tap:
            await handshake(tap)
            asking = asyncio.ensure_future(tap.call("ask"))
            await tap.arrived("elicitation/create")
            assert_clean(tap, *await end(tap))
            (answer,) = (await asking).result["structuredContent"]["answers"]
            assert answer["error"]["message"] == "the client closed stdin"
        (event,) = interactions(cassette)[-1].events
        assert event.asked
        assert not event.answered  # the error is mcptap's, not the client's

    run(work())


@pytest.mark.parametrize("how", WAYS, ids=NAMES)
@pytest.mark.parametrize("verb", ["record", "proxy"])
def test_a_server_that_ignores_everything_is_gone_with_its_children(
    verb: str, how: signal.Signals | None, tmp_path: Path
) -> None:
    async def work() -> None:
        report = tmp_path / "pids"
        output = ["-o", str(tmp_path / "rec.jsonl")] if verb == "record" else []
        async with mcptap(verb, *output, "--", *misbehaving("ignores-eof", report)) as tap:
            await handshake(tap)
            pids = json.loads(report.read_text())
            assert all(map(is_running, pids.values()))
            assert_clean(tap, *await end(tap, how))
            assert not any(map(is_running, pids.values()))

    run(work())


@pytest.mark.parametrize("keeps_pipes", [False, True], ids=["own pipes", "the server's pipes"])
@pytest.mark.parametrize("how", WAYS, ids=NAMES)
def test_a_grandchild_is_gone_too(how: signal.Signals | None, keeps_pipes: bool, tmp_path: Path) -> None:
    async def work() -> None:
        async with recording(tmp_path / "rec.jsonl") as tap:
            await handshake(tap)
            answer = await tap.call("spawn", {"keeps_pipes": keeps_pipes})
            grandchild = int(answer.result["structuredContent"]["pid"])
            assert is_running(grandchild)
            assert_clean(tap, *await end(tap, how))
            assert not is_running(grandchild)

    run(work())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_before_the_client_has_said_anything_ends_it(how: signal.Signals, tmp_path: Path) -> None:
    async def work() -> None:
        async with recording(tmp_path / "rec.jsonl") as tap:
            async with asyncio.timeout(tap.timeout):
                while not (tmp_path / "rec.jsonl").exists() or not children(tap.pid):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert_clean(tap, *await end(tap, how))

    run(work())


def test_two_signals_at_once_are_one(tmp_path: Path) -> None:
    async def work() -> None:
        async with recording(tmp_path / "rec.jsonl", *misbehaving("ignores-eof")) as tap:
            await handshake(tap)
            os.kill(tap.pid, signal.SIGINT)
            assert_clean(tap, *await end(tap, signal.SIGTERM))

    run(work())


@pytest.mark.parametrize("verb", ["record", "replay"])
def test_a_client_that_reads_no_more_does_not_hang_it(verb: str, tmp_path: Path) -> None:
    """Its pipe is full of answers that nobody reads when the signal comes."""

    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        if verb == "replay":
            async with recording(cassette) as tap:
                await handshake(tap)
                await tap.call("big", {"bytes": 1_000_000})
        command = ["-o", cassette, "--", *WIRE] if verb == "record" else [cassette]
        async with mcptap(verb, *command) as tap:
            await handshake(tap)
            stdout_of(tap).pause_reading()
            calls = [asyncio.ensure_future(tap.call("big", {"bytes": 1_000_000})) for _ in range(3)]
            await pipe_is_full(tap)
            assert_clean(tap, *await end(tap, signal.SIGTERM))
            for call in calls:
                call.cancel()
        if verb == "record":
            assert {each.outcome for each in interactions(cassette)} <= {None, "unanswered"}

    run(work())


def stdout_of(tap: PipeClient) -> Any:
    """The transport of the client's end of the pipe."""
    reader: Any = tap.process.stdout
    return reader._transport


async def pipe_is_full(tap: PipeClient) -> None:
    pipe = stdout_of(tap).get_extra_info("pipe").fileno()
    full = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) - 4096
    async with asyncio.timeout(tap.timeout):
        while int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder) < full:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_a_client_that_closes_stdout_has_left(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with recording(cassette) as tap:
            await handshake(tap)
            await tap.send_line(compose("tools/call", '{"name":"never"}', identity="pending"))
            await tap.request("ping")
            (server,) = children(tap.pid)
            stdout_of(tap).close()
            assert await tap.wait() == 0, tap.stderr
            assert not is_running(server)
        assert complaints(tap) == []
        assert [each.outcome for each in interactions(cassette)] == [None, "unanswered", None]

    run(work())


def test_nothing_of_an_answer_is_cut_off_when_stdin_closes(tmp_path: Path) -> None:
    """A client that sends and closes still gets what it asked for."""

    async def work() -> None:
        async with recording(tmp_path / "rec.jsonl") as tap:
            await handshake(tap)
            calls = [asyncio.ensure_future(tap.call("big", {"bytes": 300_000, "n": n})) for n in range(5)]
            calls.append(asyncio.ensure_future(tap.call("slow", {"ms": 100})))
            await asyncio.sleep(0)  # all are sent
            tap.close_stdin()
            for answer in await asyncio.gather(*calls):
                assert "result" in answer.body
            assert await tap.wait() == 0

    run(work())


def test_killing_mcptap_leaves_no_server_that_obeys_the_end_of_its_input(tmp_path: Path) -> None:
    async def work() -> None:
        async with recording(tmp_path / "rec.jsonl") as tap:
            await handshake(tap)
            (server,) = children(tap.pid)
            os.kill(tap.pid, signal.SIGKILL)
            await ended(server, within=tap.timeout)

    run(work())
