"""Ids that a session's requests may have over HTTP, whatever the transport in between makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.clients.raw import HttpClient, Message, handshake, spell
from tests.http.running import PATIENCE, WIRE, interactions, mcptap, mcptap_on_stdio, server

CHANGED = "notifications/resources/updated"
NO_IDS = ["null", "1.5", "true", "[7]", "{}"]
CLOSED_BY_SERVER = "test_reconnection"


async def answers(client: HttpClient, ids: Sequence[int | str]) -> list[Message]:
    """Make a call of each id, all in flight at once."""
    calls = (
        client.call("progress", {"n": 2, "ms": 100, "call": each}, id=identity, meta={"progressToken": each})
        for each, identity in enumerate(ids)
    )
    return await asyncio.gather(*calls)


def test_ids_that_read_the_same_are_in_flight_at_once(tmp_path: Path) -> None:
    """The name of the SDK's own stream is an id like any other, and that stream stays open."""
    ids: list[int | str] = [7, "7", "_GET_stream", 7, "007", "", 0, "0"]

    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        for words in (["record", "-o", str(cassette), "--", *WIRE], ["replay", str(cassette)]):
            async with mcptap(*words) as running, HttpClient(running.url, timeout=PATIENCE) as client:
                await handshake(client)
                for identity, answer in zip(ids, await answers(client, ids), strict=True):
                    assert spell(answer.id) == spell(identity)
                    assert answer.result["structuredContent"] == {"sent": 2}
                heard = [message.params["progressToken"] for message in client.notifications]
                assert sorted(map(int, heard)) == sorted([*range(len(ids))] * 2)
                await client.call("change")
                await client.arrived(CHANGED)

    asyncio.run(work())


def test_only_the_call_with_just_this_id_is_cancelled(tmp_path: Path) -> None:
    async def work() -> None:
        log = tmp_path / "log"
        words = ["--", *WIRE, "--log", str(log)]
        async with (
            mcptap("record", "-o", tmp_path / "rec.jsonl", *words) as running,
            HttpClient(running.url, timeout=PATIENCE) as client,
        ):
            await handshake(client)
            taken_back = asyncio.ensure_future(client.call("slow", {"ms": 60_000}, id="7"))
            kept = asyncio.ensure_future(client.call("slow", {"ms": 700}, id=7))
            while log.read_text().count('"slow"') < 2:  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.02)
            await client.notify("notifications/cancelled", {"requestId": "7", "reason": "no use"})
            answer = await taken_back
            assert (spell(answer.id), answer.error["code"]) == ('"7"', -32800)
            assert (await kept).result["structuredContent"] == {"slept": 700}
            assert log.read_text().count('"reason":"no use"') == 1
        outcomes = {line["params"]["arguments"]["ms"]: line.get("outcome") for line in calls(tmp_path)}
        assert outcomes == {700: None, 60_000: "cancelled"}

    asyncio.run(work())


def calls(folder: Path) -> list[dict[str, Any]]:
    return [line for line in interactions(folder / "rec.jsonl") if line.get("method") == "tools/call"]


def ping(identity: str) -> str:
    return f'{{"jsonrpc":"2.0","id":{identity},"method":"ping"}}'


def test_what_is_no_id_is_refused_at_once() -> None:
    async def work() -> None:
        async with mcptap("proxy", "--", *WIRE) as running, HttpClient(running.url, timeout=PATIENCE) as http:
            await handshake(http)
            for text in map(ping, NO_IDS):
                refused = await http.post(text)
                assert (refused.status, refused.error["code"], refused.id) == (400, -32602, None)
            await http.request("ping", id=1)
        async with mcptap_on_stdio("proxy", "--", *WIRE) as pipe:
            await handshake(pipe)
            for text in map(ping, NO_IDS):
                await pipe.send_line(text)
            await pipe.request("ping", id=1)
            refusals = [message for message in pipe.arrivals if message.id is None]
            assert [message.error["code"] for message in refusals] == [-32600] * len(NO_IDS)

    asyncio.run(work())


def test_a_closed_stream_is_resumed_by_its_own_session_alone() -> None:
    """All sessions use the same ids, and what the server says outside requests has one name in all."""

    async def work() -> None:
        async with (
            server("conformance") as upstream,
            mcptap("proxy", "--url", f"{upstream.url}/mcp") as running,
            HttpClient(running.url, timeout=PATIENCE) as one,
            HttpClient(running.url, timeout=PATIENCE) as other,
        ):
            for client in (one, other):
                await handshake(client)
                with pytest.raises(ConnectionError):
                    await client.call(CLOSED_BY_SERVER, id="same")
            position = one.events[-1].id
            assert await other.listen(position) == 200
            assert await one.listen(position) == 200
            assert (await one.answered("same")).result["content"]
            assert [message.id for message in one.arrivals].count("same") == 1
            assert [message.id for message in other.arrivals].count("same") == 0
            assert await other.listen(other.events[-1].id) == 200
            await other.answered("same")

    asyncio.run(work())


def test_what_was_missed_outside_requests_is_told_to_its_own_session_alone() -> None:
    async def work() -> None:
        async with (
            mcptap("proxy", "--", *WIRE) as running,
            HttpClient(running.url, timeout=PATIENCE) as one,
            HttpClient(running.url, timeout=PATIENCE) as other,
        ):
            for client in (one, other):
                await handshake(client)
                await client.call("change")
                await client.arrived(CHANGED)
            position = one.events[-1].id
            heard = len(one.notifications)
            await one.drop_streams()
            for client in (other, one, other):
                await client.call("change")
            await other.arrived(CHANGED, 3)
            assert await one.listen(position) == 200
            await one.arrived(CHANGED, 2)
            assert len(one.notifications) == 2 * heard
            assert len(other.notifications) == 3 * heard

    asyncio.run(work())
