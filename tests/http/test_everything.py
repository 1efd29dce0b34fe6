"""A real server over each transport that it has, walked by a real client: directly, live, replayed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest
from fastmcp.client.transports import NodeStdioTransport

from tests.http.running import mcptap
from tests.servers.everything import command, everything, visit

MODES: list[Literal["auto", "legacy"]] = ["auto", "legacy"]


async def compare(direct: Any, target: list[str], mode: str, cassette: Path) -> None:
    expected = await visit(direct, mode="legacy")
    async with mcptap("record", "-o", cassette, *target) as tap:
        live = await visit(tap.url, mode=mode)
        assert await tap.stop() == 0, tap.text
    async with mcptap("replay", "--fail-on-unused", cassette) as tap:
        replayed = await visit(tap.url, mode=mode)
        assert await tap.stop() == 0, tap.text
    for seen in (live, replayed):
        assert seen.results == expected.results
        assert seen.progress == expected.progress
        assert seen.asked == expected.asked


@pytest.mark.parametrize("mode", MODES)
def test_over_stdio(mode: str, tmp_path: Path) -> None:
    argv = command("stdio")
    direct = NodeStdioTransport(argv[1], argv[2:], keep_alive=False)
    asyncio.run(compare(direct, ["--", *argv], mode, tmp_path / "rec.jsonl"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("transport", ["streamableHttp", "sse"])
def test_over_http(transport: Literal["streamableHttp", "sse"], mode: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with everything(transport) as upstream:
            await compare(upstream.url, ["--url", upstream.url], mode, tmp_path / "rec.jsonl")

    asyncio.run(work())
