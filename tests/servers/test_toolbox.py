"""The FastMCP server answers the raw clients over every transport, in both eras."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
from fastmcp import Client as FastMCPClient
from fastmcp.client.transports import StdioTransport

from tests.clients.raw import Client, Era, HttpClient, Message, PipeClient, handshake

ROOT = Path(__file__).resolve().parents[2]
TOOLBOX = [sys.executable, "-m", "tests.servers.toolbox"]
WIRE = [sys.executable, "-m", "tests.servers.wire"]


@contextlib.asynccontextmanager
async def toolbox(transport: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *TOOLBOX, transport, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout
    try:
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        yield f"http://127.0.0.1:{ready['ready']}/{'sse' if transport == 'sse' else 'mcp'}"
    finally:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def client_of(transport: Literal["stdio", "http"], **options: Any) -> AsyncIterator[Client]:
    if transport == "stdio":
        async with PipeClient([*TOOLBOX, "stdio"], cwd=ROOT, **options) as pipe:
            yield pipe
    else:
        async with toolbox(transport) as url, HttpClient(url, **options) as http:
            yield http


def accept(request: Message) -> dict[str, Any]:
    return {"result": {"action": "accept", "content": {"value": "Ada"}}}


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_toolbox(transport: Literal["stdio", "http"], era: Era) -> None:
    async def work() -> None:
        async with client_of(transport, era=era, on_request=accept) as client:
            opened = await handshake(client)
            assert "capabilities" in opened.result
            assert (await client.call("add", {"a": 1, "b": 2})).result["structuredContent"] == {"result": 3}
            assert (await client.call("failing")).result["isError"] is True
            await client.call("progress", {"steps": 2}, meta={"progressToken": "p"})
            assert [message.params["progressToken"] for message in client.notifications] == ["p", "p"]
            slow, fast = await asyncio.gather(
                client.call("slow", {"ms": 200}), client.call("echo", {"text": "\u2028"}, id="s")
            )
            assert fast.id == "s"
            assert client.arrivals.index(fast) < client.arrivals.index(slow)
            if era == "handshake":
                answer = await client.call("elicitation")
            else:
                asked = await client.call("elicitation")
                (name,) = asked.result["inputRequests"]
                retry = {"inputResponses": {name: accept(asked)["result"]}}
                answer = await client.request("tools/call", {"name": "elicitation", "arguments": {}, **retry})
            assert answer.result["content"][0]["text"] == "accept: Ada"
            read = await client.request("resources/read", {"uri": "toolbox://items/7"})
            assert read.result["contents"][0]["text"] == "item 7"

    asyncio.run(work())


def test_toolbox_over_legacy_sse() -> None:
    async def work() -> None:
        async with toolbox("sse") as url, FastMCPClient(url, mode="legacy") as client:
            assert (await client.call_tool("add", {"a": 1, "b": 2})).data == 3

    asyncio.run(work())


@pytest.mark.parametrize("era", ["handshake", "modern", "both"])
def test_a_real_client_accepts_the_wire_server(era: str) -> None:
    async def work() -> None:
        transport = StdioTransport(WIRE[0], [*WIRE[1:], "--era", era], cwd=str(ROOT))
        async with FastMCPClient(transport) as client:
            assert len(await client.list_tools()) > 20
            assert len(await client.list_resources()) == 2
            mixed = await client.call_tool("mixed", {})
            assert len(mixed.content) == 6
            await client.get_prompt("greet", {})

    asyncio.run(work())
