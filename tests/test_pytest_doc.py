"""docs/pytest.md is executed: its files are a suite, its commands run it, and its Python runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mcptap.modes import MODES
from mcptap.pytest_plugin import _HELP

pytestmark = pytest.mark.timeout(600)  # whole suites, each in processes of its own
DOC = (Path(__file__).parent.parent / "docs" / "pytest.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", DOC, flags=re.DOTALL))
BLOCKS = dict(re.findall(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", DOC, flags=re.DOTALL))
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_ADDOPTS")},
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


def ran(command: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_suite_of_the_page_is_recorded_and_replayed(tmp_path: Path) -> None:
    for name, source in FILES.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
    for line in BLOCKS["pytest"].splitlines():
        assert "4 passed" in ran(line, tmp_path)
        assert len(list(tmp_path.rglob("cassettes/**/*.jsonl"))) == 4
    assert (tmp_path / "cassettes" / "tools.jsonl").exists()
    assert "4 passed" in ran("pytest -o mcptap_server=no-such-server", tmp_path, CI="true")


def test_the_python_of_the_page_runs_twice(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(BLOCKS["python"], encoding="utf-8")
    for _ in range(2):
        assert ran("python example.py", tmp_path) == "2 tools\n"


def test_the_page_names_every_mode_and_every_option() -> None:
    assert [name for name in (*_HELP, *MODES) if f"`{name}" not in DOC] == []
