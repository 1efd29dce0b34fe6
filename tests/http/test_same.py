"""Whatever transports stand on the two sides, a client hears through the tap what it hears directly.

The comparison is exact, down to how numbers are written and in which order members stand; over HTTP
too, whose JSON FastMCP and the SDK would otherwise respell.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.clients.raw import Client, Era, HttpClient, PipeClient
from tests.http.conversation import answer_server, converse
from tests.http.legacy_client import LegacyClient
from tests.http.running import PATIENCE, ROOT, WIRE, mcptap, mcptap_on_stdio, server

pytestmark = pytest.mark.parametrize("era", ["handshake", "modern"])
PAIRS = [
    ("stdio", "http"),
    ("stdio", "http-json"),
    ("http", "stdio"),
    ("http", "http"),
    ("http", "http-json"),
    ("sse", "stdio"),
    ("sse", "http"),
]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@contextlib.asynccontextmanager
async def upstream(kind: str) -> AsyncIterator[list[str]]:
    """What to tell mcptap to have the wire server behind it."""
    if kind == "stdio":
        yield ["--", *WIRE]
    else:
        async with server("wire_http", "0", *(["--json"] if kind == "http-json" else [])) as running:
            yield ["--url", f"{running.url}/mcp"]


@contextlib.asynccontextmanager
async def client_of(front: str, *arguments: str | Path, era: Era) -> AsyncIterator[Client]:
    """A raw client of mcptap."""
    options: dict[str, Any] = {"era": era, "on_request": answer_server}
    if front == "stdio":
        async with mcptap_on_stdio(*arguments, **options) as pipe:
            yield pipe
            pipe.close_stdin()
            assert await pipe.wait(PATIENCE) == 0, pipe.stderr
        return
    async with mcptap(*arguments, transport=front) as running:
        kind = LegacyClient if front == "sse" else HttpClient
        async with kind(running.url, timeout=PATIENCE, **options) as client:
            yield client
        assert await running.stop() == 0, running.text


async def direct(era: Era) -> list[str]:
    async with PipeClient(WIRE, cwd=ROOT, era=era, on_request=answer_server) as client:
        return await converse(client)


@pytest.mark.parametrize(("front", "kind"), PAIRS)
def test_live_and_replayed_it_is_the_same(front: str, kind: str, era: Era, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        expected = await direct(era)
        assert len(expected) >= 50
        async with (
            upstream(kind) as target,
            client_of(front, "record", "-o", cassette, *target, era=era) as client,
        ):
            assert await converse(client) == expected
        async with client_of(front, "replay", cassette, era=era) as client:
            assert await converse(client) == expected

    run(work())


@pytest.mark.parametrize(
    ("recorded_over", "replayed_over"), [("stdio", "http"), ("http", "sse"), ("sse", "stdio")]
)
def test_a_recording_knows_no_transport(
    recorded_over: str, replayed_over: str, era: Era, tmp_path: Path
) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with client_of(recorded_over, "record", "-o", cassette, "--", *WIRE, era=era) as client:
            expected = await converse(client)
        async with client_of(replayed_over, "replay", cassette, "--fail-on-unused", era=era) as client:
            assert await converse(client) == expected

    run(work())
