"""How the process ends."""

from __future__ import annotations

import subprocess
import sys


def test_python_does_not_look_through_all_objects_before_it_ends() -> None:
    program = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0));"
        "from mcptap.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "True"
