"""The modern HTTP entry refuses through the tap, live and replayed, what the server refuses itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.clients.raw import HttpClient
from tests.http.running import PATIENCE, mcptap, requests, server


async def be_refused(url: str) -> None:
    """Say what has no place in the modern era, or contradicts its headers."""
    async with HttpClient(url, era="modern", timeout=PATIENCE) as client:
        gone = await client.request("initialize", {"protocolVersion": "2026-07-28"})
        assert (gone.status, gone.error["code"]) == (404, -32601)
        mismatch = await client.request("tasks/get", {"taskId": "task-1"}, headers={"mcp-name": "task-2"})
        assert (mismatch.status, mismatch.error["code"]) == (400, -32020)


def test_what_the_modern_era_does_not_know_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with (
            server("conformance") as upstream,
            mcptap("record", "-o", cassette, "--url", f"{upstream.url}/mcp") as tap,
        ):
            await be_refused(tap.url)
            assert await tap.stop() == 0, tap.text
        # What the front refuses by itself is no part of a recording.
        assert [line["method"] for line in requests(cassette)] == ["initialize"]
        async with mcptap("replay", cassette) as tap:
            await be_refused(tap.url)
            assert await tap.stop() == 0, tap.text

    asyncio.run(work())
