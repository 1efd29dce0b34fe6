"""npm's axe-core, the accessibility checker, installed once into a cache folder."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

from tests.servers.cache import CACHE, cannot_run, install_once

VERSION = "4.14.1"
FOLDER = CACHE / "axe"


@cache
def axe_script() -> str:
    """The checker as a script for a page."""
    npm = shutil.which("npm")
    if npm is None:
        cannot_run("axe-core can't be installed: there is no npm on PATH")

    def install() -> None:
        argv = [npm, "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", f"axe-core@{VERSION}"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            cannot_run(f"npm could not install axe-core: {done.stderr.strip()[-300:]}")

    install_once(FOLDER, VERSION, install)
    return (FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
