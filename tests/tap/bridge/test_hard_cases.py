"""The bridge through mcptap where it is hard: large results, exact numbers, and a server that dies."""

from __future__ import annotations

import asyncio
import os
import signal

import psutil
import pytest

from tests.clients.raw import PipeClient, handshake
from tests.http.running import PATIENCE, WIRE, mcptap_on_stdio

OLD = [*WIRE, "--era", "handshake"]
NEW = [*WIRE, "--era", "modern"]
MEGABYTE = 1_000_000


@pytest.mark.parametrize(("server", "era"), [(OLD, "modern"), (NEW, "handshake")])
def test_large_results_and_exact_numbers_cross_the_bridge(server: list[str], era: str) -> None:
    async def ask(client: PipeClient) -> tuple[str, int]:
        await handshake(client)
        numbers = '{"name":"echo","arguments":{"text":"x","a":1.0,"b":12345678901234567890123,"c":1E400}}'
        echoed = await client.request("tools/call", numbers)
        big = await client.call("big", {"bytes": 20 * MEGABYTE})
        return echoed.text, len(big.result["content"][0]["text"])

    async def work() -> None:
        async with mcptap_on_stdio("proxy", "--bridge", "auto", "--", *server, era=era) as tap:
            echoed, size = await ask(tap)
            assert '"a":1.0,"b":12345678901234567890123,"c":1E400' in echoed
            assert size == 20 * MEGABYTE

    asyncio.run(work())


def test_a_server_that_dies_while_the_client_is_asked_is_said_and_ends_mcptap() -> None:
    async def work() -> None:
        async with mcptap_on_stdio("proxy", "--bridge", "auto", "--", *OLD, era="modern") as tap:
            await handshake(tap)
            assert (await tap.call("ask")).result["resultType"] == "input_required"
            for child in psutil.Process(tap.pid).children(recursive=True):
                os.kill(child.pid, signal.SIGKILL)
            assert await tap.wait(PATIENCE) == 4
            assert "was ended by signal 9" in tap.stderr

    asyncio.run(work())
