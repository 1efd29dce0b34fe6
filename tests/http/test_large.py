"""Sizes: a result of 20 MB and an event of 3 MB, over every HTTP transport of a server."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.clients.raw import HttpClient, handshake
from tests.http.running import PATIENCE, WIRE, mcptap, mcptap_on_stdio, server

MEGABYTE = 1_000_000


@pytest.mark.parametrize("how", [[], ["--json"]])
def test_20_megabytes_from_an_http_server(how: list[str], tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with server("wire_http", "0", *how) as upstream:
            target = ["--url", f"{upstream.url}/mcp"]
            async with mcptap_on_stdio("record", "-o", cassette, *target) as client:
                await handshake(client)
                start = time.monotonic()
                answer = await client.call("big", {"bytes": 20 * MEGABYTE})
                assert time.monotonic() - start < PATIENCE
                (content,) = answer.result["content"]
                assert content["text"] == "x" * (20 * MEGABYTE)
        async with mcptap("replay", cassette) as running, HttpClient(running.url, timeout=PATIENCE) as client:
            await handshake(client)
            replayed = await client.call("big", {"bytes": 20 * MEGABYTE})
            assert replayed.outcome == answer.outcome

    asyncio.run(work())


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_3_megabytes_in_one_event(transport: str) -> None:
    async def work() -> None:
        text = "x" * (3 * MEGABYTE)
        async with server("toolbox", transport) as upstream:
            url = f"{upstream.url}/{'sse' if transport == 'sse' else 'mcp'}"
            async with mcptap("proxy", "--url", url) as running, HttpClient(running.url) as client:
                await handshake(client)
                answer = await client.call("echo", {"text": text})
                assert answer.result["structuredContent"] == {"result": text}

    asyncio.run(work())


def test_20_megabytes_through_an_http_front() -> None:
    async def work() -> None:
        async with (
            mcptap("proxy", "--", *WIRE) as running,
            HttpClient(running.url, era="modern", timeout=PATIENCE) as client,
        ):
            answer = await client.call("big", {"bytes": 20 * MEGABYTE})
            assert len(answer.result["content"][0]["text"]) == 20 * MEGABYTE

    asyncio.run(work())
