"""What a recording looks like when a disk fills up or a call takes long, and what a replay says of a miss."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from mcptap.cassette.reader import open_cassette
from mcptap.model import Gap
from tests.clients.raw import PipeClient, handshake
from tests.stdio.support import (
    PATIENCE,
    WIRE,
    complaints,
    interactions,
    mcptap,
    recording,
    replaying,
    run,
    seen,
)


def fill_the_disk(tap: PipeClient, cassette: Path) -> None:
    """Let no file of this process grow beyond what the cassette has now, but for half a line."""
    _, hard = psutil.Process(tap.pid).rlimit(psutil.RLIMIT_FSIZE)
    psutil.Process(tap.pid).rlimit(psutil.RLIMIT_FSIZE, (cassette.stat().st_size + 10, hard))


def free_the_disk(tap: PipeClient) -> None:
    _, hard = psutil.Process(tap.pid).rlimit(psutil.RLIMIT_FSIZE)
    psutil.Process(tap.pid).rlimit(psutil.RLIMIT_FSIZE, (hard, hard))


def failing(cassette: Path, on_write_error: str) -> PipeClient:
    return mcptap("record", "--on-write-error", on_write_error, "-o", cassette, "--", *WIRE)


def test_a_full_disk_stops_the_recording(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with failing(cassette, "stop") as tap:
            await handshake(tap)
            await tap.call("mixed")
            fill_the_disk(tap, cassette)
            refused = await tap.call("counter")
            assert refused.error["code"] == -32603
            assert "could not record" in refused.error["message"]
            assert await tap.wait() == 5
        (line,) = complaints(tap)
        assert str(cassette) in line
        assert [each.method for each in interactions(cassette)] == ["initialize", "tools/call"]
        assert cassette.read_bytes().endswith(b"}\n")

    run(work())


def test_a_full_disk_leaves_a_gap_where_one_goes_on(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with failing(cassette, "continue") as tap:
            await handshake(tap)
            await tap.request("ping")
            fill_the_disk(tap, cassette)
            for number in (1, 2):
                assert (await tap.call("counter")).result["structuredContent"] == {"count": number}
            free_the_disk(tap)
            assert (await tap.call("counter")).result["structuredContent"] == {"count": 3}
            tap.close_stdin()
            assert await tap.wait() == 5
        assert len(complaints(tap)) == 1
        (gap,) = [record for record in open_cassette(cassette).records() if isinstance(record, Gap)]
        assert gap.lost == 2
        assert interactions(cassette)[-1].result == {
            "content": [{"type": "text", "text": "3"}],
            "structuredContent": {"count": 3},
        }

    run(work())


def test_a_request_without_a_recorded_answer_is_a_miss(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with recording(cassette) as tap:
            await handshake(tap)
            await tap.call("echo", {"city": "Oslo", "days": 3})
        async with replaying(cassette) as tap:
            await handshake(tap)
            missed = await tap.call("echo", {"city": "Bergen", "days": 3})
            assert missed.error["code"] == -32004
            assert "Oslo" in json.dumps(missed.body["error"]["data"], default=str)
            assert (await tap.call("echo", {"city": "Oslo", "days": 3})).body.get("error") is None
            tap.close_stdin()
            assert await tap.wait() == 1
        assert "Bergen" in tap.stderr
        assert "Oslo" in tap.stderr
        assert "missed 1" in tap.stderr

    run(work())


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--fail-on-unused"], 1)])
def test_unused_interactions_are_a_finding_where_wanted(
    options: list[str], code: int, tmp_path: Path
) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with recording(cassette) as tap:
            await handshake(tap)
            await tap.call("mixed")
            await tap.call("counter")
        async with replaying(cassette, *options) as tap:
            await handshake(tap)
            await tap.call("counter")
            tap.close_stdin()
            assert await tap.wait() == code
        assert "unused 1" in tap.stderr
        assert ("unused: interaction 2, tools/call" in tap.stderr) == bool(options)

    run(work())


def test_a_call_that_stays_open_is_recorded_as_it_goes(tmp_path: Path) -> None:
    """Its beginning and its events are on the file before its end, and are one interaction in replay."""

    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        arrived: list[list[str]] = []
        for tap in (recording(cassette), replaying(cassette)):
            async with tap:
                await handshake(tap)
                before = len(tap.arrivals)
                meta = {"progressToken": "long"}
                await tap.call("progress", {"n": 4, "ms": 400}, meta=meta)
                arrived.append([seen(message) for message in tap.arrivals[before:]])
        assert arrived[0] == arrived[1]
        lines = [json.loads(line) for line in cassette.read_text().split("\n")[:-1]]
        parts = [line for line in lines if line.get("kind") in {"begin", "event", "end"}]
        assert [part["kind"] for part in parts] == ["begin", *["event"] * 4, "end"]
        assert len({part["seq"] for part in parts}) == 1
        _, joined = interactions(cassette)
        assert [event.params and event.params["progress"] for event in joined.events] == [1, 2, 3, 4]
        assert [event.at_ms for event in joined.events] == sorted(event.at_ms for event in joined.events)
        assert joined.events[-1].at_ms >= 1000

    run(work())


def test_a_hung_call_is_on_the_file_while_it_hangs(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with recording(cassette) as tap:
            await handshake(tap)
            await tap.send_line(
                '{"jsonrpc":"2.0","id":"hung","method":"tools/call","params":{"name":"never"}}'
            )
            async with asyncio.timeout(PATIENCE):
                while not (begun := begun_in(cassette)):  # noqa: ASYNC110 - a file has no event
                    await asyncio.sleep(0.02)
            assert begun[0]["params"] == {"name": "never"}
        assert [each.outcome for each in interactions(cassette) if each.method == "tools/call"] == [
            "unanswered"
        ]

    run(work())


def begun_in(cassette: Path) -> list[dict[str, Any]]:
    lines = cassette.read_bytes().split(b"\n")[:-1]  # what stands behind the last newline is half a line
    return [line for line in map(json.loads, lines) if line.get("kind") == "begin"]
