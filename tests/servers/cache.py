"""What tests install once for all runs, in a folder of the user's cache, however many workers want it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mcptap-tests"


def install_once(folder: Path, version: str, install: Callable[[], None]) -> None:
    """Install into a folder, unless this version was installed there before."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / f"servers-{version}"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel workers install it once
        if not done.exists():
            install()
            done.touch()


def cannot_run(reason: str) -> NoReturn:
    """Skip the test and say why; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
