"""A server that asks while several requests are in flight: on a pipe nobody can tell for which of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from mcptap.cassette.reader import open_cassette
from mcptap.model import Message as Outside
from tests.clients.raw import Client, HttpClient, Message, handshake
from tests.http.running import mcptap
from tests.stdio.support import PATIENCE, complaints, interactions, recording, replaying, run


def accept(request: Message) -> dict[str, Any]:
    return {"result": {"action": "accept", "content": {"name": "Ada", "ratio": 0.5}}}


def decline(request: Message) -> dict[str, Any]:
    return {"result": {"action": "decline"}}


async def ask_meanwhile(client: Client) -> tuple[Message, Message]:
    """Have the server ask while another request is in flight; give both answers."""
    await handshake(client)
    return await asyncio.gather(
        client.call("slow", {"ms": 1500}, id="slow"),
        client.call("ask", {"kind": "elicitation", "rounds": 2, "message": "Who?"}, id="ask"),
    )


def test_a_request_waits_for_the_answers_that_came_before_its_own(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        transcripts = []
        for tap in (recording(cassette, on_request=accept), replaying(cassette, on_request=accept)):
            async with tap:
                answers = await ask_meanwhile(tap)
                *questions, first, second = [message.method or message.id for message in tap.arrivals[1:]]
                assert questions == ["elicitation/create"] * 2
                assert {first, second} == {"slow", "ask"}
                transcripts.append([answer.outcome for answer in answers])
                tap.close_stdin()
                assert await tap.wait() == 0, tap.stderr
        outside = [each for each in open_cassette(cassette).records() if isinstance(each, Outside)]
        assert [each.method for each in outside if each.source == "server"] == ["elicitation/create"] * 2
        assert transcripts[1] == transcripts[0]

        async with (
            mcptap("replay", cassette) as running,
            HttpClient(running.url, timeout=PATIENCE, on_request=accept) as over_http,
        ):
            assert [answer.outcome for answer in await ask_meanwhile(over_http)] == transcripts[0]
            assert len(over_http.requests) == 2
            assert await running.stop() == 0, running.text

        async with replaying(cassette, on_request=decline) as other:
            for answer in await ask_meanwhile(other):
                assert answer.error["code"] == -32004
                assert "answer to elicitation/create differs" in answer.error["message"]
            other.close_stdin()
            assert await other.wait() == 1
            assert "(outside any request)" in other.stderr

        async with replaying(cassette) as gone:
            asked = asyncio.ensure_future(ask_meanwhile(gone))
            await gone.arrived("elicitation/create")
            gone.close_stdin()
            assert await gone.wait() == 0, gone.stderr
            assert complaints(gone) == []
            asked.cancel()

    run(work())


def test_a_question_that_the_client_never_answered_is_asked_again(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        for tap in (recording(cassette), replaying(cassette)):
            async with tap:
                await handshake(tap)
                call = asyncio.ensure_future(
                    tap.call("ask", {"kind": "elicitation", "message": "Who?"}, id=7)
                )
                await tap.arrived("elicitation/create")
                await tap.notify("notifications/cancelled", {"requestId": 7})
                await tap.request("ping")
                assert not call.done()
                call.cancel()
                tap.close_stdin()
                assert await tap.wait() == 0, tap.stderr
        (cancelled,) = [each for each in interactions(cassette) if each.outcome == "cancelled"]
        assert [(event.method, event.asked, event.answered) for event in cancelled.events] == [
            ("elicitation/create", True, False)
        ]
        assert complaints(tap) == []

    run(work())
