"""A client over HTTP that opens no stream outside its requests: nothing hangs on what it can't hear."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.clients.raw import CLIENT_INFO, HANDSHAKE_VERSION, Client, HttpClient, Message, handshake
from tests.http.running import PATIENCE, WIRE, mcptap, mcptap_on_stdio

ASK = {"kind": "elicitation", "message": "Who?"}


def accept(request: Message) -> dict[str, Any]:
    return {"result": {"action": "accept", "content": {"name": "Ada"}}}


async def initialize(client: Client) -> None:
    """Open a session and no stream outside requests."""
    params = {"protocolVersion": HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": CLIENT_INFO}
    await client.request("initialize", params)
    await client.notify("notifications/initialized")


async def ask_meanwhile(client: Client) -> list[str]:
    """Have the server ask while it can't be told for which of two requests."""
    calls = client.call("slow", {"ms": 1500}, id="slow"), client.call("ask", ASK, id="ask")
    return [answer.outcome for answer in await asyncio.gather(*calls)]


def test_a_recorded_question_to_which_nobody_listens_holds_up_no_answer(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with mcptap_on_stdio("record", "-o", cassette, "--", *WIRE, on_request=accept) as client:
            await handshake(client)
            recorded = await ask_meanwhile(client)
        async with mcptap("replay", cassette) as running, HttpClient(running.url, timeout=PATIENCE) as deaf:
            await initialize(deaf)
            assert await ask_meanwhile(deaf) == recorded
            assert deaf.requests == []
            assert await running.stop() == 0, running.text

    asyncio.run(work())


def test_a_server_whose_question_nobody_can_hear_is_told_so(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        heard = []
        for words in (["record", "-o", str(cassette), "--", *WIRE], ["replay", str(cassette)]):
            async with mcptap(*words) as running, HttpClient(running.url, timeout=PATIENCE) as deaf:
                await initialize(deaf)
                heard.append(await ask_meanwhile(deaf))
                assert await running.stop() == 0, running.text
        assert '"error":{"code":-32000' in heard[0][1]
        assert heard[0] == heard[1]

    asyncio.run(work())


def test_what_is_said_before_the_client_has_opened_its_stream_is_not_lost(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        for words in (["record", "-o", str(cassette), "--", *WIRE], ["replay", str(cassette)]):
            async with mcptap(*words) as running, HttpClient(running.url, timeout=PATIENCE) as client:
                await initialize(client)
                await client.call("change", {"ms": 0})
                await client.listen()
                await client.arrived("notifications/resources/updated")

    asyncio.run(work())


def test_what_is_said_to_nobody_yet_stands_in_the_recording_where_it_was_said(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with (
            mcptap("record", "-o", cassette, "--", *WIRE) as running,
            HttpClient(running.url, timeout=PATIENCE) as client,
        ):
            await initialize(client)
            for _ in range(3):
                await client.call("change", {"ms": 0})
            await client.listen()
            for _ in range(3):
                await client.arrived("notifications/resources/updated")
            assert await running.stop() == 0
        lines = map(json.loads, cassette.read_text().split("\n")[:-1])
        methods = [line["method"] for line in lines if "method" in line]
        changed = ["notifications/tools/list_changed", "notifications/resources/updated"]
        assert methods[2:] == ["tools/call", *changed] * 3

    asyncio.run(work())
