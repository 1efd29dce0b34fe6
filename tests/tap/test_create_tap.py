"""`create_tap`: everything that can be named as a target, used as any FastMCP server is."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
from fastmcp import Client, FastMCP
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport

from mcptap.errors import UsageError
from mcptap.tap.app import Tap
from mcptap.tap.creating import create_tap
from tests.http.running import PATIENCE, ROOT, requests, server, started
from tests.servers.processes import ended

TOOLBOX = [sys.executable, str(ROOT / "tests/servers/toolbox.py"), "stdio"]
ENTRY = {"command": TOOLBOX[0], "args": TOOLBOX[1:]}
SCRIPT = """
from fastmcp import FastMCP
server = FastMCP("script")
@server.tool
def add(a: int, b: int) -> int:
    return a + b
if __name__ == "__main__":
    server.run(show_banner=False)
"""
RUN = """
import sys
from mcptap.tap.creating import create_tap
tap = create_tap({target!r}, cassette={cassette!r})
tap.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]))
"""
KINDS = ["command", "string", "script", "stdio", "url", "http", "sse", "entry", "config", "memory"]


@contextlib.asynccontextmanager
async def target_of(kind: str, folder: Path) -> AsyncIterator[Any]:
    """A target of one kind; each has a tool ``add``."""
    if kind in {"url", "http", "sse"}:
        async with server("toolbox", "sse" if kind == "sse" else "http") as running:
            if kind == "sse":
                yield SSETransport(f"{running.url}/sse")
            else:
                url = f"{running.url}/mcp"
                yield url if kind == "url" else StreamableHttpTransport(url)
        return
    script = folder / "server.py"
    script.write_text(SCRIPT)
    in_memory = FastMCP("memory")
    in_memory.tool(lambda a, b: a + b, name="add")
    yield {
        "command": TOOLBOX,
        "string": " ".join(TOOLBOX),
        "script": script,
        "stdio": StdioTransport(TOOLBOX[0], TOOLBOX[1:]),
        "entry": ENTRY,
        "config": {"mcpServers": {"toolbox": ENTRY}},
        "memory": in_memory,
    }[kind]


async def use(tap: Tap | str, mode: Literal["auto", "legacy"]) -> None:
    async with asyncio.timeout(PATIENCE), Client(tap, mode=mode) as client:
        assert "add" in [tool.name for tool in await client.list_tools()]
        result = await client.call_tool_mcp("add", {"a": 1, "b": 2})
        assert result.content[0].model_dump(include={"text"}) == {"text": "3"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_is_used_in_memory_and_recorded_and_a_second_run_is_appended(
    kind: str, tmp_path: Path
) -> None:
    async def work() -> None:
        cassette, said = tmp_path / "rec.jsonl", list[str]()
        async with target_of(kind, tmp_path) as target:
            tap = create_tap(target, cassette=cassette, report=said.append)
            await use(tap, "auto")
            first = requests(cassette)
            assert [line["method"] for line in first][-1] == "tools/call"
            await use(tap, "legacy")
        both = requests(cassette)
        assert both[: len(first)] == first
        second = both[len(first) :]
        assert [line["method"] for line in second] == ["initialize", "tools/list", "tools/call"]
        assert [line["seq"] for line in both] == list(range(1, len(both) + 1))
        assert not {line["session"] for line in first} & {line["session"] for line in second}
        assert said == []
        assert tap.failure is None

    asyncio.run(work())


@pytest.mark.parametrize(
    "entry",
    [
        {"cmd": TOOLBOX[0], "args": TOOLBOX[1:], "type": "stdio", "timeout": 30},
        {"command": "${MCPTAP_TEST_PYTHON}", "args": TOOLBOX[1:], "env": {"A": "${env:MCPTAP_TEST_PYTHON}"}},
    ],
)
def test_an_entry_is_read_as_a_configuration_is(entry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCPTAP_TEST_PYTHON", TOOLBOX[0])
    asyncio.run(use(create_tap(entry), "legacy"))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_tap_runs_over_http_like_any_fastmcp_server(mode: Any, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        program = RUN.format(target=TOOLBOX, cassette=str(cassette))
        async with started([sys.executable, "-c", program, str(port)]) as running:
            await running.says("running on")
            await use(f"http://127.0.0.1:{port}/mcp", mode)
            (child,) = running.children
            # Uvicorn has the signal end the program once all is shut down, as for any FastMCP server.
            assert await running.stop(signal.SIGINT) == -signal.SIGINT
            await ended(child)
        assert requests(cassette)[-1]["method"] == "tools/call"

    asyncio.run(work())


@pytest.mark.parametrize(
    "target",
    [
        "",
        [],
        {"mcpServers": {}},
        {"mcpServers": {"one": ENTRY, "two": ENTRY}},
        {"command": "x", "url": "http://x/"},
        {"args": []},
        {"command": "x", "unknown": 1},
        {"command": "x", "env": {"A": "${MCPTAP_NOT_SET}"}},
        {"url": "http://h/ws", "type": "ws"},
        "http:///mcp",
        Path("absent.py"),
        Path("server.rb"),
        7,
    ],
)
def test_what_is_no_target_is_refused_at_once(target: Any) -> None:
    with pytest.raises(UsageError):
        create_tap(target)
