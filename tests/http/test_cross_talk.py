"""What names no request reaches nobody whose it might not be."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.raw import Client, HttpClient, handshake
from tests.http.running import PATIENCE, WIRE, mcptap, server

LOG = "notifications/message"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
TEXT = "wire://text"


def logs(client: Client) -> list[int]:
    return [int(float(each.params["data"]["number"])) for each in client.notifications if each.method == LOG]


def messages(cassette: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, cassette.read_text().split("\n")[:-1])
    return [line for line in lines if line.get("kind") == "message" and line["method"] == LOG]


def test_stateless_clients_of_one_pipe_hear_only_what_must_be_theirs(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with (
            mcptap("record", "-o", cassette, "--", *WIRE) as running,
            HttpClient(running.url, era="modern", timeout=PATIENCE) as one,
            HttpClient(running.url, era="modern", timeout=PATIENCE) as other,
        ):
            await one.call("log", {"n": 2})
            await other.call("log", {"n": 3})
            assert (logs(one), logs(other)) == ([1, 2], [1, 2, 3])
            slow = other.call("progress", {"n": 1, "ms": 700}, meta={"progressToken": 1})
            waiting = asyncio.ensure_future(slow)
            await other.arrived("notifications/progress")
            await one.call("log", {"n": 4, "ms": 10})
            await waiting
            assert (logs(one), logs(other)) == ([1, 2], [1, 2, 3])
            await one.call("log")
            assert (logs(one), logs(other)) == ([1, 2, 1], [1, 2, 3])
            assert await running.stop() == 0
        nobodys = messages(cassette)
        assert [line["params"]["data"]["number"] for line in nobodys] == [1, 2, 3, 4]
        async with (
            mcptap("replay", cassette) as running,
            HttpClient(running.url, era="modern", timeout=PATIENCE) as client,
        ):
            await client.call("log", {"n": 2})
            await client.call("log", {"n": 4, "ms": 10})
            assert logs(client) == [1, 2]
            assert await running.stop() == 0, running.text

    asyncio.run(work())


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_calls_at_once_hear_their_own_where_the_transport_tells(era: Any, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with (
            server("wire_http", "0") as upstream,
            mcptap("record", "-o", cassette, "--url", f"{upstream.url}/mcp") as running,
            HttpClient(running.url, era=era, timeout=PATIENCE) as client,
        ):
            await handshake(client)
            await asyncio.gather(*(client.call("log", {"n": n, "ms": 30}) for n in (3, 4, 5)))
            assert sorted(logs(client)) == sorted([*range(1, 4), *range(1, 5), *range(1, 6)])
            assert await running.stop() == 0
        assert messages(cassette) == []
        lines = map(json.loads, cassette.read_text().split("\n")[:-1])
        heard = {
            line["params"]["arguments"]["n"]: [event["params"]["data"]["number"] for event in line["events"]]
            for line in lines
            if line.get("method") == "tools/call"
        }
        assert heard == {n: [*range(1, n + 1)] for n in (3, 4, 5)}

    asyncio.run(work())


@pytest.mark.parametrize("upstream", ["stdio", "http"])
def test_changes_go_to_the_subscriptions_that_asked_for_them(upstream: str, tmp_path: Path) -> None:
    """All clients give their subscription the same id; a call beside it still has its log messages."""
    lists, updated = "notifications/tools/list_changed", "notifications/resources/updated"
    wanted: dict[str, Any] = {lists: {"toolsListChanged": True}, updated: {"resourceSubscriptions": [TEXT]}}

    async def work() -> None:
        async with contextlib.AsyncExitStack() as stack:
            target = ["--", *WIRE]
            if upstream == "http":
                running = await stack.enter_async_context(server("wire_http", "0"))
                target = ["--url", f"{running.url}/mcp"]
            tap = await stack.enter_async_context(mcptap("record", "-o", tmp_path / "rec.jsonl", *target))
            visitors = (HttpClient(tap.url, era="modern", timeout=PATIENCE) for _ in range(3))
            *listeners, caller = [await stack.enter_async_context(visitor) for visitor in visitors]
            listening = []
            for client, asked in zip(listeners, wanted.values(), strict=True):
                request = client.request("subscriptions/listen", {"notifications": asked}, id="same")
                listening.append(asyncio.ensure_future(request))
                await client.arrived("notifications/subscriptions/acknowledged")
            await caller.call("log", {"n": 2})
            await caller.call("change")
            for client, method in zip(listeners, wanted, strict=True):
                await client.arrived(method)
                _, change = client.notifications
                assert (change.method, change.params["_meta"][SUBSCRIPTION]) == (method, "same")
            assert [message.method for message in caller.notifications] == [LOG, LOG]
            for task in listening:
                task.cancel()

    asyncio.run(work())
