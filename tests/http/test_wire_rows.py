"""What the other tests of the wire leave open, over either front and from one front to the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.raw import Client, Era, HttpClient, Message, handshake, spell
from tests.http.running import PATIENCE, WIRE, mcptap, mcptap_on_stdio, server

NAME = {"result": {"action": "accept", "content": {"name": "Ada"}}}
CHANGED, UPDATED = "notifications/tools/list_changed", "notifications/resources/updated"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


@contextlib.asynccontextmanager
async def client_of(front: str, *words: str | Path, era: Era, code: int = 0) -> AsyncIterator[Client]:
    """A raw client of mcptap, which must end with ``code``."""
    if front == "stdio":
        async with mcptap_on_stdio(*words, era=era) as pipe:
            yield pipe
            pipe.close_stdin()
            assert await pipe.wait(PATIENCE) == code, pipe.stderr
        return
    async with mcptap(*words) as running:
        async with HttpClient(running.url, era=era, timeout=PATIENCE) as client:
            yield client
        assert await running.stop() == code, running.text


async def ask(client: Client, kind: str, reply: dict[str, Any]) -> list[str]:
    """Have the client asked by a request, or in the modern era by a result; give question and answer."""
    client.on_request = lambda _: reply
    params = {"name": "ask", "arguments": {"kind": kind}}
    answer = await client.request("tools/call", params)
    if client.era == "handshake":
        return [spell(client.requests[-1].params), answer.outcome]
    question = answer.result["inputRequests"]["first"]["params"]
    retry = {"inputResponses": {"first": reply["result"]}, "requestState": answer.result["requestState"]}
    return [spell(question), (await client.request("tools/call", {**params, **retry})).outcome]


async def hear_of_changes(client: Client) -> list[str]:
    """Hear of changes, in the modern era by a subscription that is then given up."""
    before = len(client.notifications)
    listening = None
    if client.era == "modern":
        wanted = {"toolsListChanged": True, "resourceSubscriptions": ["wire://text"]}
        request = client.request("subscriptions/listen", {"notifications": wanted}, id="live id")
        listening = asyncio.ensure_future(request)
        await client.arrived("notifications/subscriptions/acknowledged")
    await client.call("change")
    await client.arrived(UPDATED)
    heard = client.notifications[before:]
    if listening is not None:
        assert {each.params["_meta"][SUBSCRIPTION] for each in heard} == {"live id"}
        await give_up(client, listening, "live id")
    return sorted(each.text for each in heard)


async def give_up(client: Client, request: asyncio.Future[Message], identity: str) -> None:
    """Cancel a request as the transport and the era have it."""
    if client.era == "handshake" or not isinstance(client, HttpClient):
        await client.notify("notifications/cancelled", {"requestId": identity})
    request.cancel()
    await asyncio.wait([request])


async def cancel(client: Client) -> list[str]:
    """Cancel a call that reports progress; nothing more comes of it."""
    call = client.call("progress", {"n": 5000, "ms": 10}, id="mine", meta={"progressToken": "mine"})
    request = asyncio.ensure_future(call)
    await client.arrived("notifications/progress")
    await give_up(client, request, "mine")
    first = await client.request("example/empty", {"a": 1})
    reported = len(client.notifications)
    second = await client.request("example/empty", {"a": 2})
    assert len(client.notifications) == reported
    return [first.outcome, second.outcome]


async def notify(client: Client) -> list[str]:
    """Send what no specification names; the server says what it has heard."""
    await client.notify("notifications/example", {"x": 1})
    await client.notify("notifications/bare")
    heard = (await client.call("seen")).result["structuredContent"]["notifications"]
    return [
        spell(each) for each in heard if each["method"] in {"notifications/example", "notifications/bare"}
    ]


async def work_on_tasks(client: Client, polls: int) -> list[list[str]]:
    """Poll a task before and after each end that a client can give it; give the states that were seen."""
    seen = []
    for way in ("tasks/cancel", "tasks/update"):
        task = {"taskId": (await client.call("task", {"way": way})).result["taskId"]}
        before = [(await client.request("tasks/get", task)).result["status"] for _ in range(polls)]
        await client.request(way, task)
        after = [(await client.request("tasks/get", task)).result["status"] for _ in range(polls)]
        seen.append([*dict.fromkeys(before), *dict.fromkeys(after)])
    return seen


async def walk(client: Client, polls: int = 3) -> list[Any]:
    await handshake(client)
    return [
        await ask(client, "url", {"result": {"action": "accept"}}),
        await ask(client, "elicitation", NAME),
        await hear_of_changes(client),
        await notify(client),
        await work_on_tasks(client, polls),
        await cancel(client),
    ]


@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize(("front", "upstream"), [("stdio", "http"), ("http", "stdio"), ("http", "http")])
def test_row_by_row(front: str, upstream: str, era: Era, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with contextlib.AsyncExitStack() as stack:
            target = ["--", *WIRE]
            if upstream == "http":
                running = await stack.enter_async_context(server("wire_http", "0"))
                target = ["--url", f"{running.url}/mcp"]
            async with client_of(front, "record", "-o", cassette, *target, era=era) as client:
                live = await walk(client)
        assert "https://example.com/go" in live[0][0]
        assert len(live[3]) == 2
        assert live[4] == [["working", "cancelled"], ["working", "completed"]]
        ended = "disconnected" if (front, era) == ("http", "modern") else "cancelled"
        assert f'"outcome":"{ended}"' in cassette.read_text()
        for replayed_over, polls in ((front, 1), ({"stdio": "http", "http": "stdio"}[front], 7)):
            async with client_of(replayed_over, "replay", cassette, era=era) as client:
                assert await walk(client, polls) == live
        async with client_of(front, "replay", cassette, era=era, code=1) as other:
            await handshake(other)
            _, refused = await ask(other, "elicitation", {"result": {"action": "decline"}})
            assert '"code":-32004' in refused
            assert "decline" in refused

    asyncio.run(work())
