"""TapMiddleware on a FastMCP server that is no tap: what is recorded is what the client got."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client, Context, FastMCP
from fastmcp.client.elicitation import ElicitResult
from fastmcp.exceptions import ToolError
from fastmcp.server import create_proxy

import mcptap
from mcptap.model import Interaction


def _server() -> FastMCP[Any]:
    server: FastMCP[Any] = FastMCP("observed")

    @server.tool
    async def add(first: int, second: int, context: Context) -> int:
        await context.report_progress(1, 2, "half way")
        return first + second

    @server.tool
    def fail() -> int:
        raise ToolError("on purpose")

    @server.tool
    async def greet(context: Context) -> str:
        answer = await context.elicit("Your name?", response_type=str)
        return f"Hello, {answer.data}" if answer.action == "accept" else answer.action

    @server.resource("text://note")
    def note() -> str:
        return "a note"

    return server


async def _name(*_: object) -> ElicitResult[Any]:
    return ElicitResult(action="accept", content={"value": "Ada"})


async def _drive(target: Any, mode: str) -> list[Any]:
    async with Client(target, mode=mode, elicitation_handler=_name) as client:
        tools = [tool.name for tool in await client.list_tools()]
        added = await client.call_tool("add", {"first": 1, "second": 2})
        with pytest.raises(ToolError, match="on purpose"):
            await client.call_tool("fail")
        read = await client.read_resource("text://note")
        greeting = await client.call_tool("greet") if mode == "legacy" else None
        return [tools, added.data, read, greeting and greeting.data]


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("proxied", [False, True], ids=["server", "stock-proxy"])
async def test_a_server_with_the_middleware_is_recorded_and_the_recording_serves_the_same(
    mode: str, proxied: bool, tmp_path: Path
) -> None:
    path = tmp_path / "observed.jsonl"
    target: FastMCP[Any] = create_proxy(_server()) if proxied else _server()
    with mcptap.record_to(path, name="observed") as recorder:
        target.add_middleware(mcptap.TapMiddleware(recorder=recorder))
        live = await _drive(target, mode)
    replayed = await _drive(mcptap.create_tap(mcptap.open_cassette(path)), mode)
    assert replayed == live


@pytest.mark.anyio
async def test_what_a_handler_sends_is_an_event_of_its_request(tmp_path: Path) -> None:
    path = tmp_path / "observed.jsonl"
    server = _server()
    with mcptap.record_to(path) as recorder:
        server.add_middleware(mcptap.TapMiddleware(recorder=recorder))
        await _drive(server, "legacy")
    interactions = {
        (each.params or {}).get("name"): each for each in mcptap.open_cassette(path).interactions()
    }
    (progress,) = interactions["add"].events
    assert (progress.method, (progress.params or {})["message"]) == ("notifications/progress", "half way")
    (asked,) = interactions["greet"].events
    assert asked.method == "elicitation/create"
    assert asked.result == {"action": "accept", "content": {"value": "Ada"}}
    assert (interactions["fail"].result or {})["isError"] is True


@pytest.mark.anyio
async def test_a_server_whose_first_message_is_a_tool_call_is_recorded_from_that_message_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "observed.jsonl"
    server = _server()
    with mcptap.record_to(path) as recorder:
        server.add_middleware(mcptap.TapMiddleware(recorder=recorder))
        async with Client(server, mode="2026-07-28") as client:
            await client.call_tool("add", {"first": 1, "second": 2})
            await client.call_tool("add", {"first": 1, "second": 2})
    first, second = (
        each for each in mcptap.open_cassette(path).interactions() if each.method == "tools/call"
    )
    assert isinstance(first, Interaction)
    assert (first.result or {})["structuredContent"] == (second.result or {})["structuredContent"]
    assert (first.result or {})["content"] == (second.result or {})["content"]
