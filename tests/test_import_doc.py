"""docs/import.md is executed: its file, its commands, and what it says they print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.cli.running import environment

DOC = (Path(__file__).parent.parent / "docs" / "import.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- (\w+: [\w.]+) -->\n```\w*\n(.*?)```", DOC, flags=re.DOTALL))


def test_it_does_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_text(BLOCKS["file: old.jsonl"], encoding="utf-8")
    printed = ""
    for line in BLOCKS["run: import"].splitlines():
        _, *arguments = shlex.split(line)
        done = subprocess.run(
            [sys.executable, "-m", "mcptap", *arguments],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        printed += done.stdout
    assert [line.rstrip() for line in printed.splitlines()] == BLOCKS["output: import"].splitlines()
