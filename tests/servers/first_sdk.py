"""A server on the SDK's first major version, which spoke WebSocket too, in an environment of its own.

`command` gives what starts it. The environment is made once, in a cache folder. Where there is no
package index the test is skipped and says so; in CI that is a failure.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.servers.cache import CACHE, cannot_run, install_once

VERSION = "1.30.0"
FOLDER = CACHE / f"mcp-1-python-{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = FOLDER / "venv/bin/python"
_SCRIPTS = Path(__file__).parent / "first_sdk_scripts"


def command(script: str, *arguments: str) -> list[str]:
    """What runs ``server.py`` or ``client.py`` with that SDK."""
    install_once(FOLDER, VERSION, _install)
    return [str(PYTHON), str(_SCRIPTS / script), *arguments]


def _install() -> None:
    venv = [sys.executable, "-m", "venv", "--clear", str(FOLDER / "venv")]
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for argv in (venv, [*pip, f"mcp[ws]=={VERSION}"]):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            cannot_run(f"mcp {VERSION} could not be installed: {done.stderr.strip()[-300:]}")
