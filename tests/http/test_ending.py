"""The end of an HTTP front, and of single requests on it: clean, quick, and told truthfully."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients.raw import Client, HttpClient, handshake
from tests.http.legacy_client import LegacyClient
from tests.http.running import PATIENCE, WIRE, interactions, mcptap, server
from tests.servers.processes import ended

SOON = 2.0


async def stands_in(cassette: Path, kind: str, **members: Any) -> dict[str, Any]:
    """Wait for a line of a cassette."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for line in interactions(cassette):
                if line["kind"] == kind and members.items() <= line.items():
                    return line
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("transport", "era"), [("http", "handshake"), ("http", "modern"), ("sse", "handshake")]
)
def test_a_signal_ends_a_busy_front(transport: str, era: Any, number: signal.Signals, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        kind = LegacyClient if transport == "sse" else HttpClient
        recording = mcptap("record", "-o", cassette, "--", *WIRE, transport=transport)
        # Over HTTP the handshake opens a GET stream.
        async with recording as running, kind(running.url, era=era) as client:
            await handshake(client)
            pending = [
                asyncio.create_task(client.call("never", {"call": n}, meta={"progressToken": n}))
                for n in range(2)
            ]
            await stands_in(cassette, "begin")
            (child,) = running.children
            start = time.monotonic()
            assert await running.stop(number) == 0, running.text
            assert time.monotonic() - start < SOON
            await ended(child)
            for failure in await asyncio.gather(*pending, return_exceptions=True):
                assert isinstance(failure, BaseException) or "result" not in failure.body
        assert "Traceback" not in running.text
        assert len(running.lines) == 2, running.lines
        calls = {line["seq"] for line in interactions(cassette) if line.get("method") == "tools/call"}
        assert len(calls) == 2
        outcomes = [line.get("outcome") for line in interactions(cassette) if line["seq"] in calls]
        assert outcomes.count("unanswered") == 2
        assert set(outcomes) == {None, "unanswered"}  # a begin line has none

    asyncio.run(work())


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_a_signal_ends_an_idle_front_with_an_open_stream(transport: str, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with mcptap("record", "-o", cassette, "--", *WIRE, transport=transport) as running:
            async with mcptap("record", "-o", tmp_path / "other.jsonl", "--", *WIRE) as other:
                assert await other.stop() == 0  # nobody ever came
            kind = LegacyClient if transport == "sse" else HttpClient
            async with kind(running.url) as client:
                await handshake(client)
                start = time.monotonic()
                assert await running.stop() == 0
                assert time.monotonic() - start < SOON
        assert "recorded 1 interactions" in running.lines[-1]

    asyncio.run(work())


async def leave_in_the_middle(client: Client) -> None:
    """Call what never ends, and go away once something of it was heard."""
    call = asyncio.create_task(client.call("progress", {"n": 1000, "ms": 50}, meta={"progressToken": 1}))
    await client.arrived("notifications/progress")
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call


def test_in_the_modern_era_a_closed_stream_cancels_the_request_at_a_stdio_server(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with mcptap("record", "-o", cassette, "--", *WIRE) as running:
            async with HttpClient(running.url, era="modern", timeout=PATIENCE) as client:
                await leave_in_the_middle(client)
                await stands_in(cassette, "interaction", outcome="disconnected")
                heard = (await client.call("seen")).result["structuredContent"]["notifications"]
                assert [each["method"] for each in heard] == ["notifications/cancelled"]
            assert await running.stop() == 0

    asyncio.run(work())


def test_in_the_modern_era_a_closed_stream_closes_the_stream_to_an_http_server(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with (
            server("wire_http", "0") as upstream,
            mcptap("record", "-o", cassette, "--url", f"{upstream.url}/mcp") as running,
            HttpClient(running.url, era="modern", timeout=PATIENCE) as client,
        ):
            await leave_in_the_middle(client)
            await stands_in(cassette, "interaction", outcome="disconnected")
            async with asyncio.timeout(PATIENCE):
                while True:  # until the server has noticed
                    seen = (await client.call("seen")).result["structuredContent"]["notifications"]
                    if seen:
                        break
            assert [each["method"] for each in seen] == ["notifications/cancelled"]

    asyncio.run(work())


def test_in_the_handshake_era_a_cancel_notification_cancels(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with mcptap("record", "-o", cassette, "--", *WIRE) as running:
            async with HttpClient(running.url, timeout=PATIENCE) as client:
                await handshake(client)
                meta = {"progressToken": 1}
                call = asyncio.create_task(
                    client.call("progress", {"n": 1000, "ms": 50}, meta=meta, id="mine")
                )
                await client.arrived("notifications/progress")
                await client.notify("notifications/cancelled", {"requestId": "mine", "reason": "enough"})
                await stands_in(cassette, "interaction", outcome="cancelled")
                heard = (await client.call("seen")).result["structuredContent"]["notifications"]
                assert heard[-1]["method"] == "notifications/cancelled"
                assert heard[-1]["params"]["requestId"] != "mine"
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
            assert await running.stop() == 0

    asyncio.run(work())
