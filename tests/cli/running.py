"""Running the command line as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_SCREEN = ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM", "MCPTAP_DEBUG")


def environment(**more: str) -> dict[str, str]:
    """This environment, without what says how a screen looks."""
    return {name: value for name, value in os.environ.items() if name not in _SCREEN} | more


def mcptap(*arguments: str | Path, timeout: float = 60, **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``mcptap`` to its end; ``more`` goes into its environment."""
    return subprocess.run(
        [sys.executable, "-m", "mcptap", *map(str, arguments)],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        timeout=timeout,
    )
