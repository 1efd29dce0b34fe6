"""A server that closes the stream of a call, to be asked for the rest of it: the client sees just that."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.clients.raw import HttpClient, handshake
from tests.http.running import PATIENCE, interactions, mcptap, mcptap_on_stdio, server

TOOL = "test_reconnection"
ANSWER = "Answered after the stream was closed."


async def call_and_come_back(url: str) -> None:
    """Call the tool, see its stream closed, and get the answer on another one."""
    async with HttpClient(url, timeout=PATIENCE) as client:
        await handshake(client)
        with pytest.raises(ConnectionError, match="ended without an answer"):
            await client.call(TOOL, id="polled")
        priming = client.events[-1]
        assert priming.id
        assert priming.retry
        assert priming.data == ""
        assert await client.listen(priming.id) == 200
        answer = await client.answered("polled")
        assert answer.result["content"][0]["text"] == ANSWER


def test_a_stream_is_closed_where_the_server_closes_it_and_again_in_replay(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with server("conformance") as upstream:
            url = f"{upstream.url}/mcp"
            await call_and_come_back(url)
            async with mcptap("record", "-o", cassette, "--url", url) as tap:
                await call_and_come_back(tap.url)
                assert await tap.stop() == 0, tap.text
        (call,) = (line for line in interactions(cassette) if line["method"] == "tools/call")
        assert [(event["from"], event["method"]) for event in call["events"]] == [
            ("server", "mcptap/stream_closed")
        ]
        async with mcptap("replay", cassette) as tap:
            for _ in range(3):
                await call_and_come_back(tap.url)
            assert await tap.stop() == 0, tap.text
        async with mcptap_on_stdio("replay", cassette) as pipe:
            await handshake(pipe)
            answer = await pipe.call(TOOL)
            assert answer.result["content"][0]["text"] == ANSWER
            assert not any(message.method for message in pipe.arrivals)

    asyncio.run(work())
