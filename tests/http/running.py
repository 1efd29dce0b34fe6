"""Processes that these tests start: mcptap with an HTTP front, and HTTP servers behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.clients.raw import PipeClient

ROOT = Path(__file__).resolve().parents[2]
MCPTAP = [sys.executable, "-m", "mcptap"]
WIRE = [sys.executable, "-m", "tests.servers.wire"]
PATIENCE = 60.0
"""Seconds within which a process starts or says something; a loaded machine needs many."""


class Process:
    """A running process whose lines on stdout and stderr are kept.

    Attributes:
        lines: What it printed, in order.
        url: Where it serves, once it has said so.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = ""
        self._changed = asyncio.Event()
        streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
        self._readers = [asyncio.ensure_future(self._read(stream)) for stream in streams]

    @property
    def text(self) -> str:
        """All that it printed."""
        return "\n".join(self.lines)

    @property
    def children(self) -> list[int]:
        """The process ids of everything that it has started and that still runs."""
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait for a line that holds ``pattern``."""
        async with asyncio.timeout(PATIENCE):
            while True:
                changed = self._changed
                for line in self.lines:
                    if found := re.search(pattern, line):
                        return found
                assert not all(reader.done() for reader in self._readers), (
                    f"it ended without saying {pattern!r}: {self.text}"
                )
                await changed.wait()

    async def stop(self, number: signal.Signals = signal.SIGINT, within: float = PATIENCE) -> int:
        """Send a signal; give the exit code and see that it comes within ``within`` seconds."""
        self.process.send_signal(number)
        return await self.exit_code(within)

    async def exit_code(self, within: float = PATIENCE) -> int:
        """Wait for the end, and for the last of what it printed."""
        async with asyncio.timeout(within):
            code = await self.process.wait()
        await asyncio.gather(*self._readers)
        return code

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self._say(line.decode(errors="replace").rstrip("\n"))
        self._changed.set()

    def _say(self, line: str) -> None:
        self.lines.append(line)
        self._changed.set()
        self._changed = asyncio.Event()


@contextlib.asynccontextmanager
async def started(
    argv: Sequence[str], *, stdout: bool = False, env: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """Run ``argv`` and listen to its stderr, and to its stdout if wanted; kill what is left of it."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=nothing,
        stdout=pipe if stdout else nothing,
        stderr=pipe,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        limit=1 << 26,
        start_new_session=True,
    )
    running = Process(process)
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await asyncio.gather(*running._readers)


@contextlib.asynccontextmanager
async def mcptap(*arguments: str | Path, transport: str = "http") -> AsyncIterator[Process]:
    """Run mcptap with a front on a free port until it serves; options stand before the server's command."""
    verb, *rest = map(str, arguments)
    async with started([*MCPTAP, verb, "--transport", transport, "--port", "0", *rest]) as running:
        running.url = (await running.says(r"serving .* at ((?:http|ws)\S+)"))[1]
        yield running


def mcptap_on_stdio(*arguments: str | Path, **options: Any) -> PipeClient:
    """A raw client of mcptap with a stdio front."""
    return PipeClient([*MCPTAP, *map(str, arguments)], cwd=ROOT, timeout=PATIENCE, **options)


@contextlib.asynccontextmanager
async def server(module: str, *arguments: str) -> AsyncIterator[Process]:
    """Run one of the HTTP servers in ``tests.servers``, which say ``{"ready": PORT}`` on stdout."""
    async with started([sys.executable, "-m", f"tests.servers.{module}", *arguments], stdout=True) as running:
        ready = json.loads((await running.says(r'^\{"ready".*'))[0])
        running.url = f"http://127.0.0.1:{ready['ready']}"
        yield running


def interactions(cassette: Path) -> list[dict[str, Any]]:
    """The lines of a cassette that tell of requests; none while there is no cassette yet."""
    if not cassette.exists():
        return []
    whole = cassette.read_text().split("\n")[:-1]  # what stands after the last end of a line is torn
    lines = [json.loads(line) for line in whole]
    return [line for line in lines if line.get("kind") in {"interaction", "begin", "event", "end"}]


def requests(cassette: Path) -> list[dict[str, Any]]:
    """The lines of a cassette that hold a request, those that were open for long among them."""
    return [line for line in interactions(cassette) if line["kind"] in {"interaction", "begin"}]
