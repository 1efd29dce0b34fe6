"""The bridge between every transport of a modern client and every transport of a server on the first SDK."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.clients.raw import Client, handshake, spell
from tests.http.running import MCPTAP, WIRE, mcptap
from tests.pairs.ends import Transport, client_of, real_server

MODERN = [*WIRE, "--era", "modern"]


async def use(client: Client) -> None:
    """Use what the server has, as a modern client does."""
    assert (await handshake(client)).result["supportedVersions"] == ["2026-07-28"]
    tools = [tool["name"] for tool in (await client.request("tools/list")).result["tools"]]
    assert {"echo", "progress", "ask"} <= set(tools)
    await client.call("progress", {"n": 3}, meta={"progressToken": "mine"})
    told = [message.body["params"] for message in client.notifications]
    assert [(each["progressToken"], spell(each["progress"])) for each in told] == [
        ("mine", number) for number in ("1.0", "2.0", "3.0")
    ]
    asked = await client.call("ask", {"kind": "form"})
    assert asked.result["resultType"] == "input_required"
    (key,) = asked.result["inputRequests"]
    retry: dict[str, Any] = {"name": "ask", "arguments": {"kind": "form"}}
    retry["inputResponses"] = {key: {"action": "accept", "content": {"name": "Ada"}}}
    retry["requestState"] = asked.result["requestState"]
    answered = await client.request("tools/call", retry)
    assert answered.result["content"][0]["text"] == "form: accept Ada"
    assert (await client.request("resources/read", {"uri": "wire://text"})).result["contents"][0][
        "text"
    ] == "text"
    assert (await client.request("no/such/method")).error["code"] == -32602  # as that SDK says it


@pytest.mark.parametrize(
    ("front", "upstream"),
    [("stdio", "http"), ("stdio", "sse"), ("stdio", "ws"), ("http", "sse"), ("sse", "stdio"), ("ws", "http")],
)
def test_a_modern_client_uses_a_server_of_the_first_sdk(front: Transport, upstream: Transport) -> None:
    async def work() -> None:
        async with real_server(upstream, "handshake") as server:
            target = ["--url", server] if isinstance(server, str) else ["--", *server]
            words = ["proxy", "--bridge", "auto", *target]
            if front == "stdio":
                async with client_of([*MCPTAP, *words], "stdio", "modern") as client:
                    await use(client)
                return
            async with mcptap(*words, transport=front) as running:
                async with client_of(running.url, front, "modern") as client:
                    await use(client)
                assert await running.stop() == 0, running.text

    asyncio.run(work())


@pytest.mark.parametrize("front", ["sse", "ws"])
def test_an_old_client_of_an_old_transport_uses_a_modern_server(front: Transport) -> None:
    async def work() -> None:
        words = ["proxy", "--", *MODERN]
        async with mcptap(*words, transport=front) as running:
            async with client_of(running.url, front, "handshake") as client:
                opened = await handshake(client)
                assert opened.result["protocolVersion"] == "2025-11-25"
                asked = await client.call("ask")
                assert "answers" in asked.result["structuredContent"]
                assert "resultType" not in asked.result
                assert [message.method for message in client.requests] == ["elicitation/create"]
            assert await running.stop() == 0, running.text

    asyncio.run(work())
