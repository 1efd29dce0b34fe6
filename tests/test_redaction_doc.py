"""docs/redaction.md is executed: its Python, its commands, and what it says they print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from mcptap.cassette.reader import open_cassette
from mcptap.redaction.rules import BUILT_IN

DOC = (Path(__file__).parent.parent / "docs" / "redaction.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- (?:run|output): (\w+) -->\n```(?:\w+\n)(.*?)```", DOC, flags=re.DOTALL))
OUTPUT = re.findall(r"<!-- output: python -->\n```\n(.*?)```", DOC, flags=re.DOTALL)
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONIOENCODING": "utf-8",
}


def ran(argv: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=folder, env=ENVIRONMENT, capture_output=True, encoding="utf-8", check=False
    )


def test_it_does_what_the_page_says(tmp_path: Path) -> None:
    example = ran([sys.executable, "-c", BLOCKS["python"]], tmp_path)
    assert example.returncode == 0, example.stderr
    assert [example.stdout] == OUTPUT
    assert "correct-horse" not in (tmp_path / "safe.jsonl").read_text(encoding="utf-8")
    codes = [ran(shlex.split(line), tmp_path).returncode for line in BLOCKS["commands"].splitlines()]
    assert codes == [1, 0, 0]
    assert ran(shlex.split(BLOCKS["normalize"]), tmp_path).returncode == 0
    assert {interaction.at for interaction in open_cassette(tmp_path / "safe.jsonl").interactions()} == {0}


def test_the_page_names_every_rule() -> None:
    assert [rule for rule in BUILT_IN if f"`{rule}`" not in DOC] == []
