"""Fifty clients at once, of both eras: each has what is its own, and nothing is left when they have gone.

``MCPTAP_LOAD_SECONDS`` says for how long they come and go.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from mcptap.cassette.reader import open_cassette
from tests.clients.raw import Era
from tests.http.running import PATIENCE, WIRE, Process, mcptap, server
from tests.load.guest import Guest

COUNT = 50
ERAS: tuple[Era, Era] = ("handshake", "modern")
ROUNDS = 4
SECONDS = float(os.environ.get("MCPTAP_LOAD_SECONDS", "8"))
SOON = 2.0
GROWTH = 64 * 2**20
"""Bytes by which a process may grow under load, for as long as that may last."""
Report = Callable[[str, object], None]

pytestmark = pytest.mark.timeout(120 + 4 * SECONDS)


@dataclass(frozen=True)
class Holdings:
    """What a process holds."""

    children: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, process: psutil.Process) -> Holdings:
        return cls(len(process.children(recursive=True)), process.num_fds(), process.num_threads())

    def within(self, other: Holdings) -> bool:
        return (
            self.children <= other.children
            and self.descriptors <= other.descriptors
            and self.threads <= other.threads
        )


class Crowd:
    """Those who visit one front.

    Args:
        running: The front.
        logs: Whether modern clients have the server log, too.
    """

    def __init__(self, running: Process, *, logs: bool) -> None:
        self._running = running
        self._logs = logs
        self._came: list[Guest] = []

    @property
    def requested(self) -> int:
        """How many requests all of them have made."""
        return sum(guest.requested for guest in self._came)

    async def visit(self, number: int, name: str, rounds: int) -> None:
        """Have one of them come once."""
        era = ERAS[number % 2]
        logs = self._logs or era == "handshake"
        guest = Guest(self._running.url, f"{number} {name}", number, era=era, logs=logs)
        self._came.append(guest)
        await guest.visit(rounds)

    async def come_and_go(self, names: Callable[[int], str], seconds: float = SECONDS) -> None:
        """Have everybody visit again and again until the time is over, and at least once."""
        until = time.monotonic() + seconds

        async def keep_coming(number: int) -> None:
            visit = 0
            while visit == 0 or time.monotonic() < until:
                await self.visit(number, names(visit), ROUNDS)
                visit += 1

        async with asyncio.TaskGroup() as tasks:
            for number in range(COUNT):
                tasks.create_task(keep_coming(number))

    @contextlib.asynccontextmanager
    async def watched(self, report: Report) -> AsyncIterator[None]:
        """See that what they make the tap hold is given back when they have gone, and that it ends well."""
        process = psutil.Process(self._running.process.pid)
        for number in range(2):  # from then on there is what the modern ones share
            await self.visit(number, "first", 1)
        await self._leave_within(process, Holdings(1, process.num_fds(), process.num_threads()))
        before, memory = Holdings.of(process), process.memory_info().rss
        yield
        await self._leave_within(process, before)
        grown = process.memory_info().rss - memory
        report("megabytes", f"{memory / 2**20:.1f} + {grown / 2**20:.1f}")
        assert grown < GROWTH
        assert await self._running.stop(signal.SIGTERM, within=SOON) == 0, self._running.text
        assert len(self._running.lines) == 2, self._running.text  # where it serves, and how much it did

    async def _leave_within(self, process: psutil.Process, most: Holdings) -> None:
        give_up_at = time.monotonic() + PATIENCE / 2
        while True:
            # A pool of connections to the upstream lets go of the old ones when it is asked for one.
            await self.visit(1, "last", 0)
            await asyncio.sleep(0.1)
            if (now := Holdings.of(process)).within(most):
                return
            assert time.monotonic() < give_up_at, f"it still has {now}, which should be {most}"


@contextlib.asynccontextmanager
async def upstream(kind: str) -> AsyncIterator[list[str]]:
    """What to tell mcptap to have the wire server behind it."""
    if kind == "stdio":
        yield ["--", *WIRE]
    else:
        async with server("wire_http", "0") as running:
            yield ["--url", f"{running.url}/mcp"]


@pytest.mark.parametrize("kind", ["stdio", "http"])
def test_live(kind: str, tmp_path: Path, record_property: Report) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with upstream(kind) as target, mcptap("record", "-o", cassette, *target) as running:
            # Over stdio nothing says whose request a log message belongs to, where many share a server.
            crowd = Crowd(running, logs=kind == "http")
            async with crowd.watched(record_property):
                await crowd.come_and_go(str)
        record_property("requests", crowd.requested)
        recorded = list(open_cassette(cassette).interactions())
        assert len(recorded) == crowd.requested
        assert all(each.result is not None for each in recorded)

    asyncio.run(work())


def test_replayed(tmp_path: Path, record_property: Report) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with mcptap("record", "-o", cassette, "--", *WIRE) as running:
            recorded = Crowd(running, logs=False)
            for number in range(2):
                await recorded.visit(number, "first", 1)
            await recorded.come_and_go(lambda visit: "again", seconds=0)
            assert await running.stop() == 0, running.text
        async with mcptap("replay", cassette) as running:
            crowd = Crowd(running, logs=False)
            async with crowd.watched(record_property):
                await crowd.come_and_go(lambda visit: "again")
            assert "missed 0" in running.lines[-1]
        record_property("requests", crowd.requested)

    asyncio.run(work())
