"""How a client starts this very mcptap, wherever the client itself was started from."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def own_command() -> list[str]:
    """The command that starts mcptap, by its absolute path: not every client has the user's PATH."""
    beside = Path(sys.executable).parent / ("mcptap.exe" if sys.platform == "win32" else "mcptap")
    called = Path(sys.argv[0]).absolute()
    for found in (called if called.stem == "mcptap" else beside, beside):
        if shutil.which(found):
            return [str(found)]
    return [sys.executable, "-m", "mcptap"]
