"""Durable before visible: what a client has seen survives everything that may happen to mcptap."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from mcptap import codec
from tests.clients.raw import Message, PipeClient, handshake
from tests.stdio.support import PATIENCE, ROOT, interactions, recording, run

WORKERS = 4
"""Calls in flight at once."""


class Load:
    """Calls one after the other, and remembers every answer that it has seen."""

    def __init__(self, tap: PipeClient, seed: int) -> None:
        self.tap = tap
        self.draw = random.Random(seed)
        self.seen: dict[int, str] = {}
        self.enough = asyncio.Event()
        self._wanted = self.draw.randrange(1, 60)
        self._made = 0

    async def work(self) -> None:
        while True:
            self._made += 1
            number, size = self._made, self.draw.choice([10, 1000, 100_000])
            answer = await self.tap.call("big", {"bytes": size, "number": number})
            self.see(number, answer)

    def see(self, number: int, answer: Message) -> None:
        self.seen[number] = answer.outcome
        if len(self.seen) >= self._wanted:
            self.enough.set()

    async def run_until_killed(self) -> None:
        """Kill mcptap at a moment that the seed decides, while calls are in flight."""
        workers = [asyncio.ensure_future(self.work()) for _ in range(WORKERS)]
        async with asyncio.timeout(PATIENCE):
            await self.enough.wait()
            await asyncio.sleep(self.draw.uniform(0, 0.01))  # the moment, not a wait for anything
        os.kill(self.tap.pid, signal.SIGKILL)
        await self.tap.wait()
        await asyncio.gather(*workers, return_exceptions=True)


def kept(cassette: Path) -> dict[int, str]:
    """The answers in a cassette, by the number of their call, spelled as a client sees them."""
    found = {}
    for interaction in interactions(cassette):
        if interaction.method == "tools/call" and interaction.result is not None:
            assert interaction.params is not None
            text = codec.dumps({"result": interaction.result}).decode()
            found[int(interaction.params["arguments"]["number"])] = Message(text).outcome
    return found


@pytest.mark.parametrize("seed", range(30))
def test_every_answer_that_was_seen_survives_kill_9(seed: int, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with recording(cassette) as tap:
            await handshake(tap)
            load = Load(tap, seed)
            await load.run_until_killed()
        survivors = kept(cassette)
        assert {number: survivors.get(number) for number in load.seen} == load.seen
        if seed % 10 == 0:
            await goes_on(cassette, len(survivors))

    run(work())


async def goes_on(cassette: Path, survivors: int) -> None:
    """A next run appends to the same file."""
    with cassette.open("ab") as file:
        file.write(b'{"kind":"interaction","seq":99')  # as a crash of the system would leave it
    async with recording(cassette) as tap:
        await handshake(tap)
        await tap.call("big", {"bytes": 10, "number": 100_000})
        tap.close_stdin()
        assert await tap.wait() == 0, tap.stderr
    assert "torn end" in tap.stderr
    assert len(kept(cassette)) == survivors + 1
    numbers = [interaction.seq for interaction in interactions(cassette)]
    assert len(set(numbers)) == len(numbers)


def test_an_answer_is_on_the_file_before_the_client_sees_it(tmp_path: Path) -> None:
    """The client looks at the file the moment that it has read an answer."""

    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        inner = recording(cassette)
        async with Looking(cassette, inner.argv, cwd=ROOT, timeout=PATIENCE) as tap:
            await handshake(tap)
            for number in range(300):
                await tap.call("echo", {"number": number})
            await asyncio.gather(*(tap.call("echo", {"number": number}) for number in range(300, 400)))
            assert len(tap.found) == 400
            assert all(tap.found)

    run(work())


class Looking(PipeClient):
    """Looks for every answer in the file when it arrives, and notes whether it was there."""

    def __init__(self, cassette: Path, argv: list[str], **options: Any) -> None:
        super().__init__(argv, **options)
        self.found: list[bool] = []
        self._cassette = cassette
        self._read_to = 0
        self._recorded: set[int] = set()

    def _receive(self, message: Message) -> None:
        self._look()
        arguments = message.result.get("structuredContent", {}).get("arguments", {})
        if "number" in arguments:
            self.found.append(int(arguments["number"]) in self._recorded)
        super()._receive(message)

    def _look(self) -> None:
        with self._cassette.open("rb") as file:
            file.seek(self._read_to)
            whole, newline, _ = file.read().rpartition(b"\n")  # the next line may be half written
        self._read_to += len(whole + newline)
        for line in whole.splitlines():
            recorded = json.loads(line)
            if recorded.get("method") == "tools/call" and "result" in recorded:
                self._recorded.add(recorded["params"]["arguments"]["number"])
