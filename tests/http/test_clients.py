"""Several clients at once on one HTTP front: each has what is its own, and nothing of another's."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client as FastMCPClient

from tests.clients.raw import Client, HttpClient, handshake
from tests.http.running import PATIENCE, WIRE, Process, mcptap, requests, server
from tests.servers.processes import ended


async def count(client: Client) -> int:
    """What the counter of this client's upstream says next."""
    return int((await client.call("counter")).result["structuredContent"]["count"])


@contextlib.asynccontextmanager
async def clients_of(running: Process, number: int, **options: Any) -> Any:
    """Raw clients of one front, all initialized at the same time."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [HttpClient(running.url, timeout=PATIENCE, **options) for _ in range(number)]
        for client in clients:
            await stack.enter_async_context(client)
        await asyncio.gather(*(handshake(client) for client in clients))
        yield clients


def test_each_handshake_session_has_its_own_process_until_it_ends(tmp_path: Path) -> None:
    async def work() -> None:
        async with mcptap("record", "-o", tmp_path / "rec.jsonl", "--", *WIRE) as running:
            async with clients_of(running, 3) as clients:
                assert len({client.session_id for client in clients}) == 3
                assert await asyncio.gather(*map(count, clients)) == [1, 1, 1]
                assert await count(clients[0]) == 2
                assert len(running.children) == 3
                children = running.children
            # Each client has sent its DELETE.
            for child in children:
                await ended(child)
            async with clients_of(running, 1) as clients:
                assert await count(clients[0]) == 1
                (child,) = running.children
                assert await running.stop() == 0
                await ended(child)
        sessions = {line["session"] for line in requests(tmp_path / "rec.jsonl")}
        assert len(sessions) == 4

    asyncio.run(work())


def test_each_handshake_session_has_its_own_session_at_an_http_server(tmp_path: Path) -> None:
    async def work() -> None:
        log = tmp_path / "log"
        async with (
            server("wire_http", "0", "--log", str(log)) as upstream,
            mcptap("proxy", "--url", f"{upstream.url}/mcp") as running,
        ):
            async with clients_of(running, 1) as (one,):
                async with clients_of(running, 1) as (other,):
                    assert [await count(one), await count(other)] == [1, 1]
                assert await count(one) == 2
                assert await running.stop() == 0
            requests = [json.loads(line) for line in log.read_text().splitlines()]
            sent = [
                {name.lower(): value for name, value in request["headers"].items()} for request in requests
            ]
            deleted = [
                headers["mcp-session-id"]
                for request, headers in zip(requests, sent, strict=True)
                if request["method"] == "DELETE"
            ]
            used = {headers["mcp-session-id"] for headers in sent if "mcp-session-id" in headers}
            assert sorted(deleted) == sorted(used)
            assert len(used) == 2
            assert not used & {one.session_id, other.session_id}

    asyncio.run(work())


def test_modern_requests_share_one_server() -> None:
    async def work() -> None:
        async with mcptap("proxy", "--", *WIRE) as running, clients_of(running, 3, era="modern") as clients:
            assert sorted([await count(client) for client in clients]) == [1, 2, 3]
            assert len(running.children) == 1

    asyncio.run(work())


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_equal_progress_tokens_and_ids_of_two_clients_do_not_cross(era: str) -> None:
    async def work() -> None:
        async with mcptap("proxy", "--", *WIRE) as running, clients_of(running, 2, era=era) as clients:
            steps = [3, 5]
            calls = (
                client.call("progress", {"n": n, "ms": 30}, meta={"progressToken": "same"}, id="same")
                for client, n in zip(clients, steps, strict=True)
            )
            for answer, n in zip(await asyncio.gather(*calls), steps, strict=True):
                assert answer.result["structuredContent"] == {"sent": n}
            for client, n in zip(clients, steps, strict=True):
                heard = [message.params for message in client.notifications]
                assert [int(float(params["progress"])) for params in heard] == list(range(1, n + 1))
                assert {(params["progressToken"], float(params["total"])) for params in heard} == {
                    ("same", n)
                }

    asyncio.run(work())


def test_what_a_server_says_to_one_session_no_other_hears() -> None:
    async def work() -> None:
        async with mcptap("proxy", "--", *WIRE) as running, clients_of(running, 2) as (one, other):
            await one.call("change")
            await one.arrived("notifications/resources/updated")
            await count(other)
            assert other.notifications == []

    asyncio.run(work())


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_in_replay_every_client_starts_from_the_beginning(era: str, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with mcptap("record", "-o", cassette, "--", *WIRE) as running:
            async with clients_of(running, 1, era=era) as clients:
                assert [await count(clients[0]) for _ in range(3)] == [1, 2, 3]
            await running.stop()
        async with mcptap("replay", cassette) as running:
            async with clients_of(running, 2, era=era) as (one, other):
                heard = [(await count(one), await count(other)) for _ in range(3)]
                assert heard == [(1, 1), (2, 2), (3, 3)]
            assert await running.stop() == 0
            assert "missed 0" in running.lines[-1]

    asyncio.run(work())


@pytest.mark.parametrize("verb", ["record", "replay"])
def test_twenty_clients_can_initialize(verb: str, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        number = 20 if verb == "record" else 1
        async with mcptap("record", "-o", cassette, "--", *WIRE) as running:
            async with clients_of(running, number) as clients:
                assert await asyncio.gather(*map(count, clients)) == [1] * number
            assert await running.stop() == 0
        if verb == "replay":
            async with mcptap("replay", cassette) as running, clients_of(running, 20) as clients:
                assert await asyncio.gather(*map(count, clients)) == [1] * 20

    asyncio.run(work())


def test_arguments_that_are_mirrored_into_headers(tmp_path: Path) -> None:
    async def work() -> None:
        log, cassette = tmp_path / "log", tmp_path / "rec.jsonl"
        call = {"name": "headered", "arguments": {"region": "é west"}}
        right = {"mcp-param-region": "=?base64?w6kgd2VzdA==?=", "mcp-param-unknown": "kept"}
        async with (
            server("wire_http", "0", "--log", str(log)) as upstream,
            mcptap("record", "-o", cassette, "--url", f"{upstream.url}/mcp") as running,
            clients_of(running, 1, era="modern") as (client,),
        ):
            # Before the client has seen the tools there is nothing to hold the header against.
            await client.request("tools/call", call, headers=right)
            await client.request("tools/list")
            answer = await client.request("tools/call", call, headers=right)
            assert answer.result["structuredContent"]["arguments"] == call["arguments"]
            for wrong in ({"mcp-param-region": "east"}, {}):
                refused = await client.request("tools/call", call, headers=wrong)
                assert (refused.status, refused.error["code"]) == (400, -32020)
            assert await running.stop() == 0

        posts = [json.loads(line) for line in log.read_text().splitlines()]
        methods = [json.loads(post["body"])["method"] for post in posts]
        assert methods == ["server/discover", "tools/call", "tools/list", "tools/call"]
        assert [line["method"] for line in requests(cassette)] == methods
        for post in (posts[1], posts[3]):
            sent = {name.lower(): value for name, value in post["headers"].items()}
            assert {name: sent.get(name) for name in right} == right
            assert (sent["mcp-method"], sent["mcp-name"]) == ("tools/call", "headered")
            assert sent["mcp-protocol-version"] == "2026-07-28"

    asyncio.run(work())


def test_in_replay_clients_of_one_name_have_cursors_of_their_own(tmp_path: Path) -> None:
    """Real clients, with a pool of sockets each; one of them asks many things at once."""

    async def visit(url: str) -> list[int]:
        async with FastMCPClient(url) as client:
            return [(await client.call_tool("counter")).structured_content["count"] for _ in range(4)]

    async def crowd(url: str) -> list[set[int]]:
        async with FastMCPClient(url) as client:
            bursts = []
            for _ in range(2):
                calls = await asyncio.gather(*(client.call_tool("counter") for _ in range(5)))
                bursts.append({call.structured_content["count"] for call in calls})
            return bursts

    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with mcptap("record", "-o", cassette, "--", *WIRE) as running:
            async with FastMCPClient(running.url) as client:
                for _ in range(10):
                    await client.call_tool("counter")
            assert await running.stop() == 0, running.text
        async with mcptap("replay", cassette) as running:
            assert await crowd(running.url) == [{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}]
            assert await asyncio.gather(*(visit(running.url) for _ in range(20))) == [[1, 2, 3, 4]] * 20
            assert await running.stop() == 0, running.text

    asyncio.run(work())
