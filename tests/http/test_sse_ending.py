"""The event stream of a legacy SSE client ends when there is nobody behind it any more."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.clients.raw import handshake
from tests.http.legacy_client import LegacyClient
from tests.http.running import PATIENCE, WIRE, interactions, mcptap
from tests.servers.processes import ended


def test_a_server_that_dies_ends_it_after_every_answer(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with (
            mcptap("record", "-o", cassette, "--", *WIRE, transport="sse") as running,
            LegacyClient(running.url, timeout=PATIENCE) as client,
        ):
            await handshake(client)
            (child,) = running.children
            async with LegacyClient(running.url, timeout=PATIENCE) as other:
                await handshake(other)
                calls = [asyncio.create_task(client.call("never", {"call": number})) for number in range(50)]
                async with asyncio.timeout(PATIENCE):
                    while sum(line["kind"] == "begin" for line in interactions(cassette)) < len(calls):  # noqa: ASYNC110 - a file has no event
                        await asyncio.sleep(0.05)
                os.kill(child, signal.SIGKILL)
                answers = await asyncio.gather(*calls)
                assert all(answer.body["error"]["code"] == -32000 for answer in answers)
                async with asyncio.timeout(PATIENCE):
                    await client.ended.wait()
                await ended(child)
                assert not other.ended.is_set()
                assert "result" in (await other.request("ping")).body

    asyncio.run(work())


def test_a_disconnect_on_purpose_ends_it() -> None:
    async def work() -> None:
        async with (
            mcptap("proxy", "--fault", "ping disconnect", "--", *WIRE, transport="sse") as running,
            LegacyClient(running.url, timeout=PATIENCE) as client,
        ):
            await handshake(client)
            with pytest.raises(ConnectionError):
                await client.request("ping")
            await client.ended.wait()

    asyncio.run(work())
