"""docs/telemetry.md names the commands, the attributes and the metrics that there are, and all of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from mcptap.cli import mcptap
from mcptap.telemetry import conventions

PAGE = (Path(__file__).parent.parent / "docs" / "telemetry.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL)
    for line in block.splitlines()
]
OURS = {
    value
    for name, value in vars(conventions).items()
    if name.isupper() and isinstance(value, str) and value.startswith("mcptap.")
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists_with_its_options(command: str) -> None:
    _, name, *arguments = shlex.split(command)
    with click.Context(mcptap) as context:
        found = mcptap.get_command(context, name)
    assert found is not None
    found.make_context(name, arguments)


def test_every_name_of_ours_is_documented_and_no_other() -> None:
    assert set(re.findall(r"`(mcptap\.(?!telemetry)[a-z_.]+)`", PAGE)) == OURS


def test_the_histograms_are_documented() -> None:
    assert {conventions.SERVER_OPERATION_DURATION, conventions.CLIENT_SESSION_DURATION} <= set(
        re.findall(r"`(mcp\.[a-z_.]+)`", PAGE)
    )
