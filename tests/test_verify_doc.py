"""docs/verify.md is executed: its Python, its commands, and what it says they print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

DOC = (Path(__file__).parent.parent / "docs" / "verify.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- run: (\w+) -->\n```(?:\w+\n)(.*?)```", DOC, flags=re.DOTALL))
OUTPUT = dict(re.findall(r"<!-- output: (\w+) -->\n```\n(.*?)```", DOC, flags=re.DOTALL))
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONIOENCODING": "utf-8",
    "COLUMNS": "120",
}


def ran(argv: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=folder, env=ENVIRONMENT, capture_output=True, encoding="utf-8", check=False
    )


def test_it_does_what_the_page_says(tmp_path: Path) -> None:
    example = ran([sys.executable, "-c", BLOCKS["python"]], tmp_path)
    assert example.returncode == 0, example.stderr
    found = ran(shlex.split(BLOCKS["verify"]), tmp_path)
    assert found.returncode == 1, found.stderr
    assert found.stdout.partition("\n\nlatency")[0] + "\n" == OUTPUT["verify"]
    assert "\nlatency (median, ms)" in found.stdout
    codes = [ran(shlex.split(line), tmp_path).returncode for line in BLOCKS["update"].splitlines()]
    assert codes == [0, 0, 0]
    compared = ran(shlex.split(BLOCKS["diff"]), tmp_path)
    assert compared.returncode == 1, compared.stderr
    assert compared.stdout.startswith(OUTPUT["diff"])
