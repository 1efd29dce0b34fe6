"""Looking at processes that a test started, or that something under test left behind."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


async def ended(pid: int, within: float = 5.0) -> None:
    """Wait until a process is gone; fail if it still runs after ``within`` seconds."""
    give_up_at = time.monotonic() + within
    while is_running(pid):
        assert time.monotonic() < give_up_at, f"process {pid} still runs after {within} s"
        await asyncio.sleep(0.01)
