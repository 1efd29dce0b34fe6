"""Help is there for everything, and quick: what takes a second to import isn't imported for it."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from mcptap.cli import mcptap as group
from tests.cassette.samples import write
from tests.cli.running import mcptap

COMMANDS = group.list_commands(None)  # type: ignore[arg-type]  # the context is not looked at

SLOW = ("fastmcp", "mcp", "opentelemetry", "pydantic")

RUN = """
import json, sys
sys.argv = ["mcptap", *json.loads(sys.argv[1])]
from mcptap.cli import main
try:
    main()
finally:
    print("MODULES", json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported_by(*arguments: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(arguments)],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    return set(json.loads(run.stdout.rpartition("MODULES ")[2]))


def test_without_arguments() -> None:
    run = mcptap()
    assert run.returncode == 0
    assert "Usage: " in run.stdout + run.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    run = mcptap(name, "--help")
    assert run.returncode == 0
    assert run.stdout.startswith("Usage: ")
    command = group.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert command.name == name
    assert command.help
    assert re.search(rf"^  {name} +\w.*\.$", mcptap("--help").stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_is_quick(arguments: list[str]) -> None:
    assert imported_by(*arguments).isdisjoint(SLOW)


def test_inspect_is_quick(tmp_path_factory: pytest.TempPathFactory) -> None:
    cassette = write(tmp_path_factory.mktemp("quick") / "a.jsonl")
    for options in ([], ["--seq", "1"], ["--json"]):
        assert imported_by("inspect", str(cassette), *options).isdisjoint(SLOW)


def test_unknown_command() -> None:
    run = mcptap("inspekt")
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "inspekt" in run.stderr
