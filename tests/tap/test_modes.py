"""`create_tap` in each record mode, and with a server behind a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import McpError

from mcptap.cassette.reader import open_cassette
from mcptap.errors import CassetteError
from mcptap.modes import RecordMode
from mcptap.tap.app import Tap
from mcptap.tap.creating import create_tap
from tests.http.running import requests

pytestmark = pytest.mark.anyio

ERAS = ["auto", "legacy"]
Mode = Literal["auto", "legacy"]


class Counting:
    """A server that says how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.app: FastMCP[Any] = FastMCP("counting")
        self.app.tool(self.double, name="double")

    def double(self, number: int) -> int:
        self.asked.append(number)
        return 2 * number


async def use(tap: Tap, era: Mode, numbers: Sequence[int]) -> list[str]:
    answers = []
    async with Client(tap, mode=era) as client:
        for number in numbers:
            result = await client.call_tool_mcp("double", {"number": number})
            answers.append(str(result.content[0].model_dump()["text"]))
    return answers


def calls(path: Path) -> list[int]:
    return [
        line["params"]["arguments"]["number"] for line in requests(path) if line["method"] == "tools/call"
    ]


@pytest.mark.parametrize("era", ERAS)
async def test_once_records_what_is_absent_and_then_never_asks_the_server(era: Mode, tmp_path: Path) -> None:
    server, path = Counting(), tmp_path / "rec.jsonl"
    for _ in range(2):
        assert await use(create_tap(server.app, cassette=path, mode="once"), era, [1, 2]) == ["2", "4"]
    assert server.asked == [1, 2]
    before = path.read_bytes()
    with pytest.raises(McpError, match="no tools/call"):
        await use(create_tap(server.app, cassette=path, mode="once", report=lambda _: None), era, [3])
    assert (server.asked, path.read_bytes()) == ([1, 2], before)


@pytest.mark.parametrize("era", ERAS)
async def test_new_episodes_asks_only_for_what_is_new_and_knows_it_from_then_on(
    era: Mode, tmp_path: Path
) -> None:
    server, path = Counting(), tmp_path / "rec.jsonl"
    for numbers in ([1], [1, 2], [3, 2, 1]):
        said = list[str]()
        tap = create_tap(server.app, cassette=path, mode="new-episodes", report=said.append)
        assert await use(tap, era, numbers) == [str(2 * number) for number in numbers]
    assert server.asked == [1, 2, 3]
    assert calls(path) == [1, 2, 3]
    assert said == [line for line in said if line.startswith("forwarded to the server: ")]
    assert len(said) == 1
    replay = create_tap(server.app, cassette=path, mode="none")
    assert await use(replay, era, [3, 1, 2]) == ["6", "2", "4"]
    assert replay.player is not None
    assert replay.player.summary().sentence().endswith("missed 0, unused 0")


@pytest.mark.parametrize("era", ERAS)
async def test_parallel_new_requests_are_recorded_once_each(era: Mode, tmp_path: Path) -> None:
    server, path = Counting(), tmp_path / "rec.jsonl"
    await use(create_tap(server.app, cassette=path), era, [0])
    tap = create_tap(server.app, cassette=path, mode="new-episodes", report=lambda _: None)
    async with Client(tap, mode=era) as client, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(client.call_tool, "double", {"number": number})
    assert sorted(server.asked) == list(range(20))
    assert sorted(calls(path)) == list(range(20))


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_behind_a_recording_is_asked_and_not_recorded_unless_told(
    era: Mode, tmp_path: Path
) -> None:
    server, path = Counting(), tmp_path / "rec.jsonl"
    await use(create_tap(server.app, cassette=path), era, [1])
    before = path.read_bytes()
    tap = create_tap(open_cassette(path), fallback=server.app, report=lambda _: None)
    assert await use(tap, era, [1, 5]) == ["2", "10"]
    assert (server.asked, path.read_bytes()) == ([1, 5], before)
    assert tap.player is not None
    assert tap.player.summary().forwarded == 1


async def test_rewrite_replaces_and_all_appends(tmp_path: Path) -> None:
    server, path = Counting(), tmp_path / "rec.jsonl"
    modes: list[RecordMode] = ["all", "all", "rewrite"]
    seen = []
    for number, mode in enumerate(modes):
        await use(create_tap(server.app, cassette=path, mode=mode), "auto", [number])
        seen.append(calls(path))
    assert seen == [[0], [0, 1], [2]]


async def test_none_needs_no_server_but_a_cassette(tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    with pytest.raises(CassetteError, match="does not exist"):
        create_tap(["no-such-program"], cassette=path, mode="none")
    await use(create_tap(Counting().app, cassette=path), "auto", [1])
    for mode in ("none", "once"):
        tap = create_tap(["no-such-program"], cassette=path, mode=mode)
        assert await use(tap, "auto", [1]) == ["2"]
