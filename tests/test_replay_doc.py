"""docs/replay.md is executed: its Python, its commands' options, and what it says is printed."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mcptap.cli import mcptap as group
from mcptap.matching.miss import Reason
from tests.cli.running import environment
from tests.clients.raw import PipeClient, handshake

DOC = (Path(__file__).parent.parent / "docs" / "replay.md").read_text(encoding="utf-8")
SCRIPT = re.findall(r"<!-- run: python -->\n```python\n(.*?)```", DOC, flags=re.DOTALL)[0]
OUTPUT = dict(re.findall(r"<!-- output: (\w+) -->\n```\n(.*?)```", DOC, flags=re.DOTALL))
CONSOLE = "\n".join(re.findall(r"```console\n(.*?)```", DOC, flags=re.DOTALL))
COMMANDS = re.findall(r"^(mcptap .*?)(?:  +#.*)?$", CONSOLE, flags=re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_exists_with_its_options(command: str) -> None:
    _, name, *arguments = shlex.split(command)
    with click.Context(group) as context:
        found = group.get_command(context, name)
    assert found is not None
    found.make_context(name, arguments)


def test_the_page_s_python_prints_what_it_says_and_a_miss_looks_as_shown(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.stdout == OUTPUT["python"], ran.stderr

    async def miss() -> None:
        argv = [sys.executable, "-m", "mcptap", "replay", "weather.jsonl", "--ignore", "$.arguments.at"]
        async with PipeClient(argv, cwd=tmp_path, env=environment(), era="modern") as client:
            await handshake(client)
            await client.call("forecast", {"city": "Rome", "at": 2})
            client.close_stdin()
            assert await client.wait() == 1
            assert OUTPUT["miss"] in client.stderr

    asyncio.run(miss())


def test_the_page_names_every_reason() -> None:
    assert [reason for reason in Reason if f"| `{reason}` |" not in DOC] == []
