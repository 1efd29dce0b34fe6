"""The bridge through mcptap where it is hard: large results, exact numbers, what is taken back, what dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

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


@pytest.mark.parametrize("discovers", [True, False])
def test_a_server_that_dies_of_being_asked_for_its_era_is_started_again_for_the_old_one(
    discovers: bool,
) -> None:
    touchy = [sys.executable, "-m", "tests.servers.misbehaving", "exit-on", "server/discover"]

    async def work() -> None:
        async with mcptap_on_stdio("proxy", "--bridge", "auto", "--", *touchy, era="modern") as tap:
            if discovers:
                assert (await handshake(tap)).result["supportedVersions"] == ["2026-07-28"]
            assert (await tap.call("echo", {"text": "x"})).result["resultType"] == "complete"
            tap.close_stdin()
            assert await tap.wait() == 0, tap.stderr

    asyncio.run(work())


async def heard_by_the_server(tap: PipeClient, method: str) -> list[Any]:
    """The params of the notifications of a method that the wire server has got, once it got one."""
    async with asyncio.timeout(PATIENCE):
        while True:
            seen = (await tap.call("seen")).result["structuredContent"]["notifications"]
            if found := [each.get("params") for each in seen if each["method"] == method]:
                return found


def test_what_a_modern_client_takes_back_is_taken_back_from_an_old_server() -> None:
    async def work() -> None:
        async with mcptap_on_stdio("proxy", "--bridge", "auto", "--", *OLD, era="modern") as tap:
            await handshake(tap)
            call = asyncio.ensure_future(tap.call("never", id="mine"))
            await tap.call("echo", {"text": "sent after it"})
            await tap.notify("notifications/cancelled", {"requestId": "mine", "reason": "enough"})
            (told,) = await heard_by_the_server(tap, "notifications/cancelled")
            assert told["requestId"] != "mine"
            assert told["reason"] == "enough"
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    asyncio.run(work())


def test_a_question_that_an_old_server_takes_back_leaves_the_modern_client_its_call() -> None:
    async def work() -> None:
        async with mcptap_on_stdio("proxy", "--bridge", "auto", "--", *OLD, era="modern") as tap:
            await handshake(tap)
            arguments = {"patience_ms": 50}
            asked = await tap.call("ask", arguments)
            assert asked.result["resultType"] == "input_required"
            answers = {key: {"action": "decline"} for key in asked.result["inputRequests"]}
            retry = {"name": "ask", "arguments": arguments, "inputResponses": answers}
            retry["requestState"] = asked.result["requestState"]
            await tap.call("slow", {"ms": 500})  # in which the server gives up waiting
            late = await tap.request("tools/call", retry)
            assert late.result["structuredContent"] == {"answers": [{"result": "taken back"}]}

    asyncio.run(work())


def test_a_call_that_an_old_client_takes_back_while_it_is_asked_takes_its_question_along() -> None:
    async def work() -> None:
        async with mcptap_on_stdio("proxy", "--", *NEW) as tap:
            await handshake(tap)
            call = asyncio.ensure_future(tap.call("ask", id="mine"))
            (question,) = await tap.arrived("elicitation/create")
            await tap.notify("notifications/cancelled", {"requestId": "mine"})
            (withdrawn,) = await tap.arrived("notifications/cancelled")
            assert withdrawn.body["params"]["requestId"] == question.id
            assert (await tap.call("echo", {"text": "still"})).result["content"]
            assert not call.done()  # who takes back a request gets no answer to it
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    asyncio.run(work())


def test_progress_and_logs_of_a_modern_server_come_to_an_old_client_in_their_order() -> None:
    async def work() -> None:
        modern_only = [sys.executable, "-m", "tests.servers.modern_only", "stdio"]
        async with mcptap_on_stdio("proxy", "--", *modern_only) as tap:
            await handshake(tap)
            await tap.request("logging/setLevel", {"level": "info"})
            counted = await tap.call("count", {"to": 3}, meta={"progressToken": "p"})
            order = [
                message.body["params"].get("progress", message.body["params"].get("data"))
                for message in tap.arrivals[: tap.arrivals.index(counted)]
                if message.method in {"notifications/progress", "notifications/message"}
            ]
            assert order == [1, "number 1", 2, "number 2", 3, "number 3"]

    asyncio.run(work())
