"""`use_cassette`, for whatever runs tests without pytest's plugin."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import McpError

import mcptap
from mcptap.errors import CassetteError, McptapError, ReplayError, UsageError
from mcptap.using import CassetteInUse, Options

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> FastMCP[Any]:
    made: FastMCP[Any] = FastMCP("adding")

    @made.tool
    def add(a: int, b: int) -> int:
        return a + b

    return made


async def add(client: Client[Any], a: int, b: int) -> str:
    async with client:
        return str((await client.call_tool_mcp("add", {"a": a, "b": b})).content[0].model_dump()["text"])


async def swallowed(client: Client[Any]) -> None:
    with contextlib.suppress(McpError):
        await add(client, 3, 4)


async def failing(client: Client[Any]) -> None:
    await add(client, 1, 2)
    raise KeyError("its own")


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_it_is_recorded_and_then_replayed_without_a_server(
    tmp_path: Path, server: FastMCP[Any]
) -> None:
    path = tmp_path / "folder" / "rec.jsonl"
    for target in (server, None):
        async with mcptap.use_cassette(path, target, fail_on_unused=True) as cassette:
            assert cassette.records == (target is server)
            assert await add(cassette.client(), 1, 2) == "3"
        before = path.read_bytes()
    assert path.read_bytes() == before


def test_it_needs_no_running_loop(tmp_path: Path, server: FastMCP[Any]) -> None:
    for _ in range(2):
        with mcptap.use_cassette(tmp_path / "rec.jsonl", server) as cassette:
            assert anyio.run(add, cassette.client(), 1, 2) == "3"
            assert anyio.run(add, Client(cassette.url()), 1, 2) == "3"


async def test_a_swallowed_miss_is_raised_at_the_end(tmp_path: Path, server: FastMCP[Any]) -> None:
    path = tmp_path / "rec.jsonl"
    async with mcptap.use_cassette(path, server) as cassette:
        await add(cassette.client(), 1, 2)
    with pytest.raises(ReplayError, match="miss: The cassette has no tools/call"):
        async with mcptap.use_cassette(path) as cassette:
            await swallowed(cassette.client())
    with pytest.raises(ReplayError, match="were not made"):
        async with mcptap.use_cassette(path, fail_on_unused=True):
            pass


async def test_an_error_of_the_body_is_not_masked_and_leaves_no_new_cassette(
    tmp_path: Path, server: FastMCP[Any]
) -> None:
    path = tmp_path / "rec.jsonl"
    for _ in range(2):
        with pytest.raises(KeyError, match="its own"):
            async with mcptap.use_cassette(path, server) as cassette:
                await failing(cassette.client())
        assert files(tmp_path) == []
    async with mcptap.use_cassette(path, server) as cassette:
        await add(cassette.client(), 1, 2)
    with pytest.raises(KeyError, match="its own"):
        async with mcptap.use_cassette(path, fail_on_unused=True):
            raise KeyError("its own")


async def test_a_client_in_any_language_starts_the_command(tmp_path: Path, server: FastMCP[Any]) -> None:
    async with mcptap.use_cassette(tmp_path / "rec.jsonl", server) as cassette:
        command, *arguments = cassette.command()
        config = {"mcpServers": {"it": {"command": command, "args": arguments}}}
        assert await add(Client(config), 1, 2) == "3"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"mood": "good"}, UsageError),
        ({"expires_in": "soon"}, UsageError),
        ({"mode": "none"}, CassetteError),
        ({}, UsageError),  # there is no server to record
    ],
)
async def test_what_cannot_be_done_is_said_before_anything_is_written(
    options: dict[str, Any], error: type[McptapError], tmp_path: Path, server: FastMCP[Any]
) -> None:
    there, absent = tmp_path / "there.jsonl", tmp_path / "absent.jsonl"
    async with mcptap.use_cassette(there, server):
        pass
    with pytest.raises(error):
        async with mcptap.use_cassette(there if "expires_in" in options else absent, None, **options):
            pass
    assert files(tmp_path) == [there]


async def test_a_replay_ignores_matches_and_repeats_as_it_is_told(
    tmp_path: Path, server: FastMCP[Any]
) -> None:
    path = tmp_path / "rec.jsonl"
    async with mcptap.use_cassette(path, server) as cassette:
        assert await add(cassette.client(), 1, 2) == "3"
    async with mcptap.use_cassette(path, ignore="$.arguments.a") as cassette:
        assert await add(cassette.client(), 7, 2) == "3"
    async with mcptap.use_cassette(path, match=lambda method, params: params.get("name", method)) as cassette:
        assert await add(cassette.client(), 7, 8) == "3"
    strict = mcptap.use_cassette(path, repeats="error")
    strict.failed = True  # so that the end doesn't speak of the miss
    async with strict as cassette, cassette.client() as client:
        await client.call_tool_mcp("add", {"a": 1, "b": 2})
        with pytest.raises(McpError, match="asks again"):
            await client.call_tool_mcp("add", {"a": 1, "b": 2})


async def test_a_normalized_recording_is_the_same_each_time_and_cannot_expire(
    tmp_path: Path, server: FastMCP[Any]
) -> None:
    path, seen = tmp_path / "rec.jsonl", []
    for _ in range(2):
        async with mcptap.use_cassette(path, server, mode="rewrite", normalize=True) as cassette:
            await add(cassette.client(), 1, 2)
        seen.append(path.read_bytes())
    assert seen[0] == seen[1]
    with pytest.raises(UsageError, match="has no date"):
        async with CassetteInUse(path, lambda: None, Options(expires_in=timedelta(days=1))):
            pass
