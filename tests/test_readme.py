"""The README is executed: its commands are run, its Python is run, its options exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import click
import pytest
from fastmcp import Client

from mcptap.cli import mcptap
from tests.clients.raw import PipeClient, handshake

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- run: (\w+) -->\n```\w+\n(.*?)```", README, flags=re.DOTALL))
COMMANDS = sorted(
    {
        line.partition("  #")[0].strip()
        for block in re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)
        for line in block.splitlines()
        if line.startswith("mcptap ")
    }
)
# The commands of this environment, wherever the tests are started from.
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "COLUMNS": "120",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_the_readme_exists_with_its_options(command: str) -> None:
    _, name, *arguments = shlex.split(command)
    with click.Context(mcptap) as context:
        found = mcptap.get_command(context, name)
    assert found is not None
    found.make_context(name, arguments)


@pytest.mark.anyio
async def test_record_replay_and_inspect_work_as_the_readme_has_them(tmp_path: Path) -> None:
    texts = []
    for block in ("record", "replay"):
        argv = shlex.split(BLOCKS[block])
        async with PipeClient(argv, env=ENVIRONMENT, cwd=tmp_path) as client:
            await handshake(client)
            answer = await client.call("get_current_time", {"timezone": "Europe/Berlin"})
            texts.append(answer.source("result"))
            client.close_stdin()
            assert await client.wait() == 0, client.stderr
    live, replayed = texts
    assert replayed == live
    for line in BLOCKS["inspect"].splitlines():
        shown = await anyio.run_process(shlex.split(line), cwd=tmp_path, env=ENVIRONMENT)
        assert b"get_current_time" in shown.stdout
    await anyio.run_process(shlex.split(BLOCKS["report"]), cwd=tmp_path, env=ENVIRONMENT)
    assert "get_current_time" in (tmp_path / "report.html").read_text()
    verified = await anyio.run_process(shlex.split(BLOCKS["verify"]), cwd=tmp_path, env=ENVIRONMENT)
    assert b"0 differ" in verified.stdout
    checked = await anyio.run_process(shlex.split(BLOCKS["doctor"]), cwd=tmp_path, env=ENVIRONMENT)
    assert b"no problems" in checked.stdout


@pytest.mark.parametrize("block", ["python", "middleware"])
def test_the_python_of_the_readme_runs(block: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", BLOCKS[block]],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert {"python": "datetime", "middleware": "interactions"}[block] in ran.stdout


@pytest.mark.anyio
async def test_the_configuration_of_the_readme_is_served(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text(BLOCKS["config"], encoding="utf-8")
    command = shlex.split(BLOCKS["many"])
    command[command.index("--port") + 1] = "0"
    env = {**ENVIRONMENT, "PYTHONUNBUFFERED": "1"}
    process = await anyio.open_process(command, cwd=tmp_path, env=env)
    async with process:
        said = b""
        places: dict[str, str] = {}
        assert process.stderr is not None
        while len(places) < len(json.loads(BLOCKS["config"])["mcpServers"]):
            said += await process.stderr.receive()
            places = dict(re.findall(r"serving (\w+) at (http\S+?),", said.decode()))
        async with Client(places["paris"]) as client:
            shown = await client.call_tool("get_current_time", {"timezone": "Europe/Paris"})
            assert "Europe/Paris" in str(shown)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    (cassette,) = (tmp_path / "recordings").iterdir()
    assert cassette.name.startswith("paris-")


def test_ci_runs_the_test_command_of_the_readme() -> None:
    install, test = BLOCKS["tests"].strip().split(" && ")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert install.replace("pip install ", "pip install --quiet ") in ci
    assert re.search(rf"^{test}\b", ci, flags=re.MULTILINE)
