"""A server that takes back what it has asked the client: the client learns of it, under the id it knows."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.clients.raw import Client, HttpClient, handshake, spell
from tests.http.running import PATIENCE, WIRE, mcptap, mcptap_on_stdio, server

CANCELLED = "notifications/cancelled"


async def see_it_taken_back(client: Client) -> None:
    await handshake(client)
    answer = await client.call("ask", {"kind": "sampling", "patience_ms": 500}, id="a call")
    assert answer.result["structuredContent"] == {"answers": [{"result": "taken back"}]}
    (asked,) = await client.arrived("sampling/createMessage")
    (cancelled,) = await client.arrived(CANCELLED)
    assert spell(cancelled.params["requestId"]) == spell(asked.id)
    if not isinstance(client, HttpClient):  # the SDK has a reason of its own over HTTP
        assert cancelled.params["reason"] == "too late"
    await client.request("ping")


@pytest.mark.parametrize("upstream", ["stdio", "http"])
@pytest.mark.parametrize("front", ["stdio", "http"])
def test_a_request_of_the_server_that_it_takes_back(front: str, upstream: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with contextlib.AsyncExitStack() as stack:
            target = ["--", *WIRE]
            if upstream == "http":
                running = await stack.enter_async_context(server("wire_http", "0"))
                target = ["--url", f"{running.url}/mcp"]
            words = ["record", "-o", str(tmp_path / "rec.jsonl"), *target]
            client: Client
            if front == "stdio":
                client = mcptap_on_stdio(*words)
            else:
                tap = await stack.enter_async_context(mcptap(*words))
                client = HttpClient(tap.url, timeout=PATIENCE)
            await stack.enter_async_context(client)
            await see_it_taken_back(client)

    asyncio.run(work())
