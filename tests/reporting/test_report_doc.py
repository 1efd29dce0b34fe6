"""docs/report.md is executed: its commands run, and the others exist with their options."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import click
import pytest

from mcptap.cli import mcptap as commands
from tests.cli.running import mcptap

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", DOC, flags=re.DOTALL))
LINES = re.findall(r"^mcptap .*$", DOC, flags=re.MULTILINE)


def test_its_reports_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("time.jsonl", "old.jsonl"):
        shutil.copy(ROOT / "recordings" / "time.jsonl", tmp_path / name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for line in (BLOCKS["report"], BLOCKS["against"]):
        done = mcptap(*shlex.split(line)[1:])
        assert done.returncode == 0, done.stderr
        assert Path("report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("line", LINES)
def test_its_commands_exist_with_their_options(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    with click.Context(commands) as context:
        found = commands.get_command(context, name)
    assert found is not None
    found.make_context(name, arguments)


@pytest.mark.parametrize("verb", ["record", "proxy", "replay"])
def test_a_front_on_a_pipe_has_no_page(verb: str, tmp_path: Path) -> None:
    target = [str(ROOT / "recordings" / "time.jsonl")] if verb == "replay" else ["--", "mcp-server-time"]
    done = mcptap(verb, "--ui", *target)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "--transport http" in done.stderr


def test_a_front_of_another_address_alone_has_no_page() -> None:
    done = mcptap("proxy", "--ui", "--transport", "http", "--host", "192.0.2.1", "--", sys.executable)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "this machine alone" in done.stderr
