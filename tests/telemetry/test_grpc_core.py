"""gRPC's C core does no more in mcptap than send: it has no hand in forks, and says nothing on stderr."""

from __future__ import annotations

import asyncio
import os

import pytest

from mcptap.telemetry.grpc_core import loading_grpc
from tests.clients.raw import HttpClient, PipeClient, handshake
from tests.http.running import MCPTAP, PATIENCE, ROOT, WIRE, started
from tests.telemetry.receivers import Received, collector

SESSIONS, CALLS = 30, 1000
FORK_SUPPORT, VERBOSITY = "GRPC_ENABLE_FORK_SUPPORT", "GRPC_VERBOSITY"


def test_servers_are_started_while_spans_are_sent() -> None:
    """Where gRPC has a hand in forks, some of them cost a line, and a few the process."""

    async def work() -> None:
        with collector("grpc") as received:
            variables = {**received.environment, "OTEL_BSP_SCHEDULE_DELAY": "1"}
            argv = [*MCPTAP, "proxy", "--transport", "http", "--port", "0", "--", *WIRE]
            async with started(argv, env=variables) as running:
                url = (await running.says(r"serving .* at (http\S+)"))[1]

                async def session(calls: int) -> None:
                    async with HttpClient(url, era="handshake", timeout=PATIENCE) as client:
                        await handshake(client)
                        for _ in range(calls):
                            await client.call("echo", {"text": "x"})

                async def sessions() -> None:
                    for _ in range(SESSIONS):
                        await session(1)

                await asyncio.gather(session(CALLS), sessions())
                assert await running.stop() == 0, running.text
            assert all(line.startswith("mcptap: ") for line in running.lines), running.text
            assert sum(each.name == "tools/call echo" for each in received.spans) == 2 * (CALLS + SESSIONS)

    asyncio.run(work())


def wait_for_spans(received: Received) -> None:
    with received.changed:
        assert received.changed.wait_for(lambda: received.spans, PATIENCE)


def test_a_collector_that_is_gone_at_once_costs_no_line_but_mcptaps_own() -> None:
    async def work() -> None:
        with collector("grpc") as received:
            environment = {"PATH": "/usr/bin:/bin", "OTEL_BSP_SCHEDULE_DELAY": "20", **received.environment}
            argv = [*MCPTAP, "proxy", "--", *WIRE]
            client = await PipeClient(argv, cwd=ROOT, env=environment, timeout=PATIENCE).__aenter__()
            await handshake(client)
            await asyncio.to_thread(wait_for_spans, received)
        await client.call("echo", {"text": "x"})
        client.close_stdin()
        assert await client.wait() == 0
        lines = client.stderr.splitlines()
        assert all(line.startswith("mcptap: ") for line in lines), lines
        assert "dropped" in lines[-1]
        await client.__aexit__(None, None, None)

    asyncio.run(work())


@pytest.mark.parametrize("given", [None, "1"])
def test_what_the_user_has_set_stays_and_nothing_is_left_behind(
    given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VERBOSITY, raising=False)
    monkeypatch.delenv(FORK_SUPPORT, raising=False)
    if given is not None:
        monkeypatch.setenv(FORK_SUPPORT, given)
    before = dict(os.environ)
    with loading_grpc():
        assert os.environ[FORK_SUPPORT] == (given or "0")
        assert os.environ[VERBOSITY] == "NONE"
    assert dict(os.environ) == before
