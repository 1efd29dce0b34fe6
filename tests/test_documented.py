"""Every command has its help, and an example that the tests run.

An example is a line of a block that is marked ``<!-- run: NAME -->`` in the README or in docs/. A test runs
it if it reads that page and takes that block.
"""

from __future__ import annotations

import re
import shlex
import signal
import sys
from pathlib import Path

import anyio
import click
import httpx2
import pytest
from click.testing import CliRunner
from fastmcp import Client

from mcptap.cli import mcptap as group
from tests.http.running import started

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"<!-- run: (\w+) -->\n```console\n(.*?)```", flags=re.DOTALL)
COMMAND = re.compile(r"(?:^|&& )mcptap (\w+)", flags=re.MULTILINE)
TESTS = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py"))]
COMMANDS = group.list_commands(None)  # type: ignore[arg-type]  # the context is not looked at


def block(page: str, name: str) -> list[str]:
    """The lines of a marked block."""
    blocks: dict[str, str] = dict(BLOCK.findall((ROOT / page).read_text(encoding="utf-8")))
    return blocks[name].splitlines()


def is_run(page: Path, name: str) -> bool:
    taken = re.compile(rf"[\"'](?:run: )?{name}[\"']|run: {name} ")
    return any(page.name in test and taken.search(test) for test in TESTS)


EXAMPLES = [
    (page, name, text) for page in PAGES for name, text in BLOCK.findall(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_option_has_its_help(name: str) -> None:
    command = group.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    shown = CliRunner().invoke(group, [name, "--help"])
    assert (shown.exit_code, shown.exception) == (0, None)
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.opts for option in options if not (option.help or "").strip()] == []
    assert [option.opts for option in options if option.hidden or option.opts[-1] not in shown.output] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_is_run(name: str) -> None:
    assert any(name in COMMAND.findall(text) and is_run(page, block) for page, block, text in EXAMPLES)


@pytest.mark.parametrize(
    ("page", "name"),
    [(page, name) for page, name, _ in EXAMPLES],
    ids=lambda each: getattr(each, "stem", each),
)
def test_no_block_says_that_it_is_run_and_is_not(page: Path, name: str) -> None:
    assert is_run(page, name)


@pytest.mark.anyio
async def test_the_proxy_of_the_readme_serves() -> None:
    (line,) = block("README.md", "proxy")
    argv = [sys.executable, "-m", *shlex.split(line)]
    argv[argv.index("--port") + 1] = "0"
    argv[argv.index("--") + 1 :] = [sys.executable, "-m", "mcp_server_time"]
    async with started(argv) as running:
        url = (await running.says(r"serving .* at (http\S+)"))[1]
        async with Client(url) as client:
            answer = await client.call_tool("get_current_time", {"timezone": "Europe/Paris"})
        assert "Europe/Paris" in str(answer)
        assert await running.stop() == 0


@pytest.mark.anyio
async def test_the_page_of_docs_report_is_served(tmp_path: Path) -> None:
    (line,) = block("docs/report.md", "ui")
    recording = tmp_path / "rec.jsonl"
    recording.write_bytes((ROOT / "recordings" / "time.jsonl").read_bytes())
    argv = [str(recording) if word == "rec.jsonl" else word for word in shlex.split(line)]
    async with started([sys.executable, "-m", *argv], stdout=True) as running:
        url = (await running.says(r"http\S+"))[0]
        async with httpx2.AsyncClient(trust_env=False, follow_redirects=True) as http:
            assert (await http.get(url)).text.startswith("<!doctype html>")
        assert await running.stop(signal.SIGTERM) == 0


@pytest.mark.anyio
async def test_wrap_and_unwrap_of_docs_clients_give_back_every_byte(tmp_path: Path) -> None:
    before = b'{"mcpServers": {"time": {"command": "mcp-server-time"}}} // mine\n'
    (tmp_path / "mcp.json").write_bytes(before)
    texts = []
    for line in block("docs/clients.md", "wrap"):
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
        await anyio.run_process(shlex.split(line), cwd=tmp_path, env=environment)
        texts.append((tmp_path / "mcp.json").read_bytes())
    wrapped, unwrapped = texts
    assert b'"record"' in wrapped
    assert unwrapped == before
