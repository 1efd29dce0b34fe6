"""docs/analysis.md is executed, and lists the columns that there are; the README shows what stats prints."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mcptap.analysis.columns import INTERACTION
from tests.cli.running import environment, mcptap

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", DOCS, flags=re.DOTALL))
COMMANDS = [line for name in ("stats", "export") for line in BLOCKS[name].splitlines()]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "recordings", tmp_path / "recordings")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_documentation_works(command: str) -> None:
    run = mcptap(*shlex.split(command)[1:])
    assert run.returncode == 0, run.stderr
    assert " 0 interactions" not in f" {run.stdout}"


def test_the_python_of_the_documentation_runs(workplace: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", BLOCKS["load"]],
        cwd=workplace,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "trigger-long-running-operation" in run.stdout


def test_the_documentation_lists_every_column() -> None:
    listed = re.findall(r"^\| `(\w+)` \| ([A-Z]+) \| (.*) \|$", DOCS, flags=re.MULTILINE)
    assert listed == [(column.name, column.type, column.meaning) for column in INTERACTION]


@pytest.mark.usefixtures("workplace")
def test_the_readme_shows_what_stats_prints() -> None:
    command = dict(re.findall(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", README, flags=re.DOTALL))["stats"]
    (shown,) = re.findall(r"<!-- shows: stats -->\n```\n(.*?)```", README, flags=re.DOTALL)
    assert mcptap(*shlex.split(command)[1:]).stdout == shown
