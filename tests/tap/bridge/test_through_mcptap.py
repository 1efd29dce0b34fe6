"""The bridge as it is used: mcptap between a client of one era and a server of the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from mcptap.cassette.reader import open_cassette
from tests.clients.raw import HttpClient, Message, PipeClient, handshake
from tests.http.running import MCPTAP, PATIENCE, ROOT, WIRE, interactions, mcptap, mcptap_on_stdio, server

OLD = [*WIRE, "--era", "handshake"]
NEW = [*WIRE, "--era", "modern"]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def ask_and_answer(client: PipeClient | HttpClient, tool: str = "ask") -> tuple[Message, Message]:
    """Call a tool that asks, answer as a modern client does, and give both results."""
    asked = await client.call(tool)
    answers = {key: {"action": "accept", "content": {"name": "Ada"}} for key in asked.result["inputRequests"]}
    retry = {"name": tool, "arguments": {}, "inputResponses": answers}
    retry["requestState"] = asked.result["requestState"]
    return asked, await client.request("tools/call", retry)


@pytest.mark.parametrize("front", ["stdio", "http"])
def test_a_modern_client_uses_an_old_server_and_its_recording(front: str, tmp_path: Path) -> None:
    cassette = tmp_path / "rec.jsonl"

    async def use(client: PipeClient | HttpClient) -> list[Any]:
        discovered = await handshake(client)
        assert discovered.result["supportedVersions"] == ["2026-07-28"]
        listed = await client.request("tools/list")
        assert (listed.result["resultType"], listed.result["cacheScope"]) == ("complete", "private")
        mixed = await client.call("mixed")
        asked, answered = await ask_and_answer(client)
        assert asked.result["resultType"] == "input_required"
        unknown = await client.request("no/such/method")
        assert unknown.error["code"] == -32601
        return [listed.outcome, mixed.outcome, asked.result["inputRequests"], answered.outcome]

    async def through(*arguments: str | Path) -> list[Any]:
        verb, *rest = arguments
        if front == "stdio":
            async with mcptap_on_stdio(verb, "--bridge", "auto", *rest, era="modern") as tap:
                got = await use(tap)
                tap.close_stdin()
                assert await tap.wait() == 0, tap.stderr
            return got
        async with mcptap(verb, "--bridge", "auto", *rest) as running:
            async with HttpClient(running.url, era="modern", timeout=PATIENCE) as client:
                got = await use(client)
            assert await running.stop() == 0, running.text
        return got

    async def work() -> None:
        live = await through("record", "-o", cassette, "--", *OLD)
        # What went over the upstream wire: a refused probe, and a handshake session.
        assert {each.era for each in open_cassette(cassette).sessions()} == {"modern", "handshake"}
        made = interactions(cassette)
        assert [each["method"] for each in made][:3] == ["server/discover", "initialize", "tools/list"]
        called = [each for each in made if each["method"] == "tools/call"]
        assert [each["params"]["name"] for each in called] == ["mixed", "ask"]
        assert "resultType" not in str(called)
        assert [event["method"] for event in called[1]["events"]] == ["elicitation/create"]
        assert await through("replay", cassette) == live

    run(work())


def test_a_client_that_never_discovers_is_bridged_by_default(tmp_path: Path) -> None:
    cassette = tmp_path / "rec.jsonl"

    async def work() -> None:
        async with mcptap_on_stdio("record", "-o", cassette, "--", *OLD, era="modern") as tap:
            assert (await tap.call("mixed")).result["resultType"] == "complete"
            tap.close_stdin()
            assert await tap.wait() == 0, tap.stderr
        # The probe is mcptap's own, so it is no part of the recording.
        assert [each["method"] for each in interactions(cassette)] == ["initialize", "tools/call"]

    run(work())


@pytest.mark.parametrize("front", ["stdio", "http"])
def test_the_pinned_client_of_python_is_bridged_by_default(front: str) -> None:
    async def use(where: Any) -> None:
        async with Client(where, mode="2026-07-28", timeout=PATIENCE) as client:
            assert "echo" in [tool.name for tool in await client.list_tools()]
            assert (await client.call_tool("echo", {"text": "x"})).content

    async def work() -> None:
        if front == "stdio":
            await use(StdioTransport(MCPTAP[0], [*MCPTAP[1:], "proxy", "--", *OLD], cwd=str(ROOT)))
            return
        async with mcptap("proxy", "--", *OLD) as running:
            await use(running.url)
            assert await running.stop() == 0, running.text

    run(work())


def test_a_client_of_npm_is_bridged_by_default_when_it_discovers_first() -> None:
    async def work() -> None:
        async with mcptap_on_stdio("proxy", "--", *OLD, era="modern") as tap:
            discovered = await tap.request("server/discover", id="server-discover-probe-1")
            assert discovered.result["supportedVersions"] == ["2026-07-28"]
            assert (await tap.call("mixed")).result["resultType"] == "complete"

    run(work())


def test_the_user_is_told_how_to_help_a_client_that_is_refused_and_leaves() -> None:
    async def work() -> None:
        async with mcptap_on_stdio("proxy", "--", *OLD, era="modern") as tap:
            assert (await handshake(tap)).error["code"] == -32601
            tap.close_stdin()
            assert await tap.wait() == 0
            assert "start mcptap with --bridge auto" in tap.stderr

    run(work())


def test_without_a_bridge_a_modern_client_gets_what_the_old_server_says() -> None:
    async def work() -> None:
        async with mcptap_on_stdio("proxy", "--bridge", "off", "--", *OLD, era="modern") as tap:
            assert (await handshake(tap)).error["code"] == -32601

    run(work())


def test_an_old_client_uses_a_modern_server_and_its_recording(tmp_path: Path) -> None:
    cassette = tmp_path / "rec.jsonl"

    async def use(tap: PipeClient) -> list[str]:
        tap.on_request = lambda request: {"result": {"action": "accept", "content": {"name": "Ada"}}}
        opened = await handshake(tap)
        assert opened.result["protocolVersion"] == "2025-11-25"
        outcomes = [await tap.request("tools/list"), await tap.call("mixed"), await tap.request("ping")]
        assert all("resultType" not in each.result for each in outcomes)
        return [each.outcome for each in [opened, *outcomes]]

    async def work() -> None:
        async with mcptap_on_stdio("record", "-o", cassette, "--", *NEW) as tap:
            live = await use(tap)
            tap.close_stdin()
            assert await tap.wait() == 0, tap.stderr
        made = [each["method"] for each in interactions(cassette)]
        assert made[:2] == ["initialize", "server/discover"]
        async with mcptap_on_stdio("replay", "--bridge", "auto", cassette) as tap:
            assert await use(tap) == live

    run(work())


@pytest.mark.parametrize("status", [400, 404, 415])
def test_an_old_client_uses_a_modern_server_that_refuses_initialize_without_json_rpc(
    status: int, tmp_path: Path
) -> None:
    cassette = tmp_path / "rec.jsonl"

    async def use(tap: PipeClient) -> str:
        assert (await handshake(tap)).result["serverInfo"]["name"] == "modern-only"
        outcome: str = (await tap.call("add", {"a": 1, "b": 2})).outcome
        tap.close_stdin()
        assert await tap.wait() == 0, tap.stderr
        assert "answered" not in tap.stderr
        return outcome

    async def work() -> None:
        async with server("modern_only", "http", "0", "--plain", str(status)) as upstream:
            url = f"{upstream.url}/mcp"
            async with mcptap_on_stdio("record", "-o", cassette, "--url", url) as tap:
                live = await use(tap)
        async with mcptap_on_stdio("replay", "--bridge", "auto", cassette) as tap:
            assert await use(tap) == live

    run(work())


def test_clients_over_http_share_neither_a_session_nor_their_states() -> None:
    async def work() -> None:
        async with mcptap("proxy", "--bridge", "auto", "--", *OLD) as running:
            options: dict[str, Any] = {"era": "modern", "timeout": PATIENCE}
            async with HttpClient(running.url, **options) as one, HttpClient(running.url, **options) as two:
                for client in (one, two):
                    await handshake(client)
                asked = await one.call("ask")
                answers = {key: {"action": "decline"} for key in asked.result["inputRequests"]}
                retry = {"name": "ask", "arguments": {}, "inputResponses": answers}
                retry["requestState"] = asked.result["requestState"]
                stolen = await two.request("tools/call", retry)
                assert (stolen.status, stolen.error["code"]) == (400, -32602)
                forged = await one.request("tools/call", {**retry, "requestState": "forged"})
                assert forged.error["code"] == -32602
                assert (await one.request("tools/call", retry)).result["resultType"] == "complete"
                replayed = await one.request("tools/call", retry)
                assert replayed.error["code"] == -32602
            assert len(running.children) >= 2  # a server for each
            assert await running.stop() == 0, running.text

    run(work())


def test_a_subscription_over_http_hears_what_the_same_client_causes() -> None:
    async def work() -> None:
        async with (
            mcptap("proxy", "--bridge", "auto", "--", *OLD) as running,
            HttpClient(running.url, era="modern", timeout=PATIENCE) as client,
        ):
            await handshake(client)
            wanted = {"toolsListChanged": True, "resourceSubscriptions": ["wire://text"]}
            listening = asyncio.ensure_future(
                client.request("subscriptions/listen", {"notifications": wanted}, id="mine")
            )
            acknowledged = await client.arrived("notifications/subscriptions/acknowledged")
            assert acknowledged[0].body["params"] == {
                "notifications": wanted,
                "_meta": {"io.modelcontextprotocol/subscriptionId": "mine"},
            }
            await client.call("change")
            (updated,) = await client.arrived("notifications/resources/updated")
            assert updated.body["params"]["uri"] == "wire://text"
            assert updated.body["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "mine"}
            assert len(await client.arrived("notifications/tools/list_changed")) == 1
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    run(work())


def test_a_client_without_cookies_hears_of_changed_lists_whichever_socket_it_listens_on() -> None:
    """Node's fetch opens sockets as it likes, so such a client is easily taken for two."""

    async def work() -> None:
        async with contextlib.AsyncExitStack() as stack:
            running = await stack.enter_async_context(mcptap("proxy", "--bridge", "auto", "--", *OLD))
            options: dict[str, Any] = {"era": "modern", "timeout": PATIENCE}
            sockets = [HttpClient(running.url, keeps_cookies=False, **options) for _ in range(2)]
            listener, caller = [await stack.enter_async_context(socket) for socket in sockets]
            stranger = await stack.enter_async_context(HttpClient(running.url, **options))
            listening = []
            for client in (listener, caller, stranger):
                await handshake(client)
                assert (await client.request("tools/list")).result
            for client in (listener, stranger):
                wanted = {
                    "notifications": {"toolsListChanged": True, "resourceSubscriptions": ["wire://text"]}
                }
                listening.append(asyncio.ensure_future(client.request("subscriptions/listen", wanted)))
                await client.arrived("notifications/subscriptions/acknowledged")
            await caller.call("change")
            await listener.arrived("notifications/tools/list_changed")
            await stranger.call("change")
            await stranger.arrived("notifications/resources/updated")
            heard = [[message.method for message in client.notifications] for client in (listener, stranger)]
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
            acknowledged, changed = (
                "notifications/subscriptions/acknowledged",
                "notifications/tools/list_changed",
            )
            assert heard[0] == [acknowledged, changed]
            assert heard[1] == [acknowledged, changed, "notifications/resources/updated"]

    run(work())
