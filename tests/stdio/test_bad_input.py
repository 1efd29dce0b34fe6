"""Whatever is wrong with a server or with stdin: one line that says so, and nothing recorded is lost."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from tests.clients.base import compose
from tests.clients.raw import PipeClient, handshake, spell
from tests.stdio.support import (
    MCPTAP,
    PATIENCE,
    ROOT,
    WIRE,
    complaints,
    interactions,
    misbehaving,
    recording,
    run,
)

INITIALIZE = compose(
    "initialize",
    spell(
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "file", "version": "1"}}
    ),
    identity=1,
)
INITIALIZED = compose("notifications/initialized", None)


def call(name: str, identity: int | str, **arguments: Any) -> str:
    return compose("tools/call", spell({"name": name, "arguments": arguments}), identity=identity)


def assert_failed(tap: PipeClient, *words: str) -> None:
    """It ended with the upstream's exit code, and said why in one line."""
    (line,) = complaints(tap)
    for word in words:
        assert word in line
    assert tap.returncode == 4
    assert "Traceback" not in tap.stderr


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    async def work() -> None:
        async with recording(tmp_path / "rec.jsonl", "no-such-server-anywhere") as tap:
            answer = await handshake(tap)
            assert "no-such-server-anywhere" in answer.error["message"]
            await tap.wait()
        assert_failed(tap, "'no-such-server-anywhere' was not found", "PATH")
        assert [each.outcome for each in interactions(tmp_path / "rec.jsonl")] == ["unanswered"]

    run(work())


def test_a_command_that_is_not_executable(tmp_path: Path) -> None:
    async def work() -> None:
        script = tmp_path / "server"
        script.write_text("no program")
        async with recording(tmp_path / "rec.jsonl", script) as tap:
            answer = await handshake(tap)
            assert "is not executable" in answer.error["message"]
            await tap.wait()
        assert_failed(tap, "was not found or is not executable")

    run(work())


def test_a_server_that_exits_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with recording(tmp_path / "rec.jsonl", *misbehaving("exit")) as tap:
            answer = await handshake(tap)
            assert "exited with code 7" in answer.error["message"]
            await tap.wait()
        assert_failed(tap, "exited with code 7")
        assert "misbehaving: can't start today" in tap.stderr

    run(work())


def test_a_server_that_prints_rubbish_first_is_warned_of_and_works(tmp_path: Path) -> None:
    async def work() -> None:
        async with recording(tmp_path / "rec.jsonl", *misbehaving("rubbish-then-fine")) as tap:
            await handshake(tap)
            assert (await tap.call("counter")).result["structuredContent"] == {"count": 1}
            tap.close_stdin()
            assert await tap.wait() == 0
        (line,) = complaints(tap)
        assert "'rubbish 0 {not: json'" in line
        assert tap.rubbish == []

    run(work())


def test_a_server_that_prints_nothing_but_rubbish_is_given_up(tmp_path: Path) -> None:
    async def work() -> None:
        async with recording(tmp_path / "rec.jsonl", *misbehaving("rubbish")) as tap:
            answer = await handshake(tap)
            assert "doesn't speak MCP" in answer.error["message"]
            await tap.wait()
        warning, failure = complaints(tap)
        assert "'rubbish 0 {not: json'" in warning
        assert "doesn't speak MCP" in failure
        assert tap.returncode == 4

    run(work())


def test_a_silent_server_and_a_client_that_leaves(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with recording(cassette, *misbehaving("silent")) as tap:
            await tap.send_line(INITIALIZE)
            tap.close_stdin()
            assert await tap.wait() == 0
        assert complaints(tap) == []
        assert [each.outcome for each in interactions(cassette)] == ["unanswered"]

    run(work())


def test_a_server_that_dies_in_the_middle_of_a_call(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with recording(cassette) as tap:
            await handshake(tap)
            mixed = await tap.call("mixed")
            died = await tap.call("die", {"code": 3})
            assert died.error["code"] == -32000
            assert "exited with code 3" in died.error["message"]
            await tap.wait()
        assert_failed(tap, "exited with code 3")
        _, kept, lost = interactions(cassette)
        assert json.dumps(kept.result) == json.dumps(json.loads(mixed.source("result")))
        assert lost.outcome == "unanswered"

    run(work())


def test_a_server_that_dies_between_calls(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with recording(cassette, *misbehaving("exit-after", "2")) as tap:
            await handshake(tap)
            await tap.request("ping")
            await tap.wait()
        assert_failed(tap, "exited with code 9")
        assert [each.outcome for each in interactions(cassette)] == [None, None]

    run(work())


@pytest.mark.parametrize(
    "line",
    ["rubbish", "[]", "5", '{"id":1}', "\udcff", '{"jsonrpc":"2.0"', '{"jsonrpc":"2.0","id":1,"method":5}'],
)
def test_rubbish_from_the_client_is_warned_of_and_ends_nothing(line: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with recording(tmp_path / "rec.jsonl") as tap:
            tap._stdin.write(line.encode(errors="surrogateescape") + b"\n")
            await handshake(tap)
            assert "result" in (await tap.request("ping")).body
            tap.close_stdin()
            assert await tap.wait() == 0
        assert len(complaints(tap)) <= 1
        assert "Traceback" not in tap.stderr

    run(work())


def tap_files(
    stdin: int | IO[Any], stdout: Path, argv: Sequence[str | Path], **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run mcptap on files."""
    with stdout.open("wb") as out:
        return subprocess.run(
            [*MCPTAP, *map(str, argv)],
            stdin=stdin,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            timeout=PATIENCE,
            check=False,
            **options,
        )


def test_requests_from_a_file_are_answered_to_a_file(tmp_path: Path) -> None:
    """Also those that take long, and are still running when the file has come to its end."""
    requests, answers, log = tmp_path / "requests.jsonl", tmp_path / "answers.jsonl", tmp_path / "log"
    lines = [INITIALIZE, INITIALIZED, call("mixed", 2), call("slow", "last", ms=1500), call("counter", 3)]
    requests.write_text("\n".join([*lines, compose("notifications/example", None)]))
    with requests.open() as stdin:
        done = tap_files(stdin, answers, ["record", "-o", tmp_path / "rec.jsonl", "--", *WIRE, "--log", log])
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["id"] for line in answers.read_text().splitlines()] == [1, 2, 3, "last"]
    assert "notifications/example" in log.read_text().splitlines()[-1]
    with requests.open() as stdin:
        done = tap_files(stdin, answers, ["replay", tmp_path / "rec.jsonl"])
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["id"] for line in answers.read_text().splitlines()} == {1, 2, 3, "last"}


@pytest.mark.parametrize("options", [{}, {"preexec_fn": lambda: os.close(0)}], ids=["null", "closed"])
def test_nobody_on_stdin(options: dict[str, Any], tmp_path: Path) -> None:
    cassette, answers = tmp_path / "rec.jsonl", tmp_path / "answers"
    argv: list[str | Path] = ["record", "-o", cassette, "--", *WIRE]
    done = tap_files(subprocess.DEVNULL, answers, argv, **options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"mcptap: recorded 0 interactions to {cassette}\n"
    assert interactions(cassette) == []
    assert answers.read_text() == ""
