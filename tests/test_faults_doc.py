"""docs/faults.md is executed: its Python and its TOML, and its commands' options and words exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from mcptap.cli import mcptap as group
from mcptap.faults import ENDINGS, parse_fault, parse_faults
from tests.cli.running import environment

DOC = (Path(__file__).parent.parent / "docs" / "faults.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", DOC, flags=re.DOTALL))
OUTPUT = re.findall(r"<!-- output: python -->\n```\n(.*?)```", DOC, flags=re.DOTALL)[0]
WORDS = [
    word
    for row in re.findall(r"^\| (`.*?`) \|", DOC, flags=re.MULTILINE)
    for word in re.findall(r"`(.*?)`", row)
]


@pytest.mark.parametrize("command", BLOCKS["commands"].splitlines())
def test_every_command_of_the_page_exists_and_its_faults_can_be_meant(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, name, *arguments = shlex.split(command)
    with click.Context(group) as context:
        found = group.get_command(context, name)
    assert found is not None
    made = found.make_context(name, arguments)
    assert [parse_fault(text) for text in made.params["fault"]] or made.params["fault_file"]


def test_the_page_s_python_prints_what_it_says(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", BLOCKS["python"]]
    ran = subprocess.run(
        argv, cwd=tmp_path, env=environment(), capture_output=True, encoding="utf-8", check=False
    )
    assert ran.stdout == OUTPUT, ran.stderr


def test_the_page_s_toml_is_three_faults() -> None:
    table = tomllib.loads(BLOCKS["toml"])["tool"]["mcptap"]
    assert len(parse_faults((), table["faults"])) == 3
    assert table["seed"] == 7


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_page_can_be_meant(word: str) -> None:
    parse_fault(f"* {word} hang" if word.startswith("p=") else f"* {word}")


def test_the_page_has_every_end() -> None:
    assert {word.partition("=")[0] for word in WORDS} >= set(ENDINGS)
