"""What the stdio tests share: mcptap and the servers as processes, and how a transcript is spelled."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

from mcptap.cassette.reader import open_cassette
from mcptap.model import Interaction
from tests.clients.raw import Message, PipeClient, spell

ROOT = Path(__file__).resolve().parents[2]
MCPTAP = [sys.executable, "-m", "mcptap"]
WIRE = [sys.executable, "-m", "tests.servers.wire"]
PATIENCE = 60.0
"""Seconds that a process may take to start or answer on a loaded machine; no test waits for them to pass."""
PROMPT = 2.0
"""Seconds in which every command of mcptap ends."""


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def client(argv: Iterable[str | Path], **options: Any) -> PipeClient:
    """A raw client of any command."""
    return PipeClient([str(word) for word in argv], cwd=ROOT, **{"timeout": PATIENCE, **options})


def mcptap(*arguments: str | Path, **options: Any) -> PipeClient:
    """A raw client of mcptap."""
    return client([*MCPTAP, *arguments], **options)


def recording(cassette: Path, *server: str | Path, **options: Any) -> PipeClient:
    """A raw client of ``mcptap record -o CASSETTE -- SERVER``; the wire server by default."""
    return mcptap("record", "-o", cassette, "--", *(server or WIRE), **options)


def replaying(cassette: Path, *more: str, **options: Any) -> PipeClient:
    """A raw client of ``mcptap replay CASSETTE``."""
    return mcptap("replay", cassette, *more, **options)


def misbehaving(mode: str, *arguments: str | Path) -> list[str]:
    """The command of a server that behaves badly."""
    return [sys.executable, "-m", "tests.servers.misbehaving", mode, *map(str, arguments)]


def seen(message: Message) -> str:
    """A message as the test compares it: to the digit and in order, but for the id of a server request."""
    body = dict(message.body)
    if message.method is not None:
        body.pop("id", None)
    return spell(body)


def interactions(cassette: Path) -> list[Interaction]:
    """What a cassette holds of requests, in the order in which they were made."""
    return sorted(open_cassette(cassette).interactions(), key=lambda each: each.seq)


def complaints(process: PipeClient) -> list[str]:
    """What mcptap itself said on stderr, its summary apart."""
    own = [line for line in process.stderr.splitlines() if line.startswith("mcptap: ")]
    return [line for line in own if not line.startswith(("mcptap: recorded ", "mcptap: played "))]


async def end(process: PipeClient, how: signal.Signals | None = None) -> tuple[int, float]:
    """Send a signal, or close stdin; give the exit code and the seconds from there to the exit."""
    started = time.monotonic()
    if how is None:
        process.close_stdin()
    else:
        os.kill(process.pid, how)
    code = await process.wait(PATIENCE)
    return code, time.monotonic() - started
