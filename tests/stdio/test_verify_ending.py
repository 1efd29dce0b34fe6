"""`mcptap verify` that is told to end while its server lets it wait."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from mcptap.cassette.format import header_line, interaction_line, session_line
from mcptap.codec import dumps
from mcptap.model import CassetteHeader, Interaction, SessionStart
from tests.stdio.support import MCPTAP, PATIENCE, ROOT, run

HANGS = """
import os, sys, time
sys.stdin.readline()
print(os.getpid(), file=sys.stderr, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_its_server(number: signal.Signals, tmp_path: Path) -> None:
    cassette, script = tmp_path / "rec.jsonl", tmp_path / "hangs.py"
    lines = [
        header_line(CassetteHeader("1", "2026-11-22T20:00:00.000Z", "mcptap")),
        session_line(SessionStart(1, 0.0, "handshake", "stdio", None)),
        interaction_line(Interaction(1, 1, 0.1, "ping", result={})),
    ]
    cassette.write_bytes(b"".join(dumps(line) + b"\n" for line in lines))
    script.write_text(HANGS, encoding="utf-8")

    async def work() -> None:
        process = await asyncio.create_subprocess_exec(
            *MCPTAP,
            *("verify", str(cassette), "--", sys.executable, str(script)),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE):
            assert process.stderr is not None
            hanging = int(await process.stderr.readline())
            os.kill(process.pid, number)
            rest = await process.stderr.read()
            assert (await process.wait(), rest) == (128 + number, b"")
        assert not psutil.pid_exists(hanging)

    run(work())
