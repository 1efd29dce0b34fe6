"""The tools themselves record a real session, which is imported and replayed: `pytest -m walk`."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

from tests.cli.running import mcptap
from tests.http.running import MCPTAP, started
from tests.servers.cache import CACHE, cannot_run, install_once
from tests.servers.everything import Visit, command, everything

pytestmark = pytest.mark.walk


def program(package: str, *others: str, newest: bool = False) -> str:
    """The program of a package of PyPI, in an environment of its own."""
    name, version = re.split(r"(?:\[\w+\])?==", package)
    python = sys.executable
    if newest and sys.version_info < (3, 12):
        found = [path for minor in (14, 13, 12) if (path := shutil.which(f"python3.{minor}"))]
        python = next(filter(_runs, found), "")
        if not python:
            pytest.skip(f"{name} needs Python 3.12, and there is none beside this one")
    folder = CACHE / f"{name}-{'newest' if newest else f'3.{sys.version_info.minor}'}"
    install_once(folder, version, partial(_install, folder, python, [package, *others]))
    return str(folder / "venv/bin" / name)


def _runs(python: str) -> bool:
    return subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0


def _install(folder: Path, python: str, packages: list[str]) -> None:
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    venv = [python, "-m", "venv", "--clear", str(folder / "venv")]
    for argv in (venv, *([*pip, package] for package in packages)):  # one by one: they disagree
        done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            cannot_run(f"{packages[0]} could not be installed: {done.stderr.strip()[-300:]}")


def npm_program() -> list[str]:
    """npm's mcp-cassette; not every registry has it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        cannot_run("there is no node or npm on PATH")
    folder = CACHE / "npm-mcp-cassette"
    argv = [npm, "install", "--silent", "--prefix", str(folder), "mcp-cassette@0.4.0"]

    def install() -> None:
        if subprocess.run(argv, capture_output=True, timeout=600, check=False).returncode != 0:
            pytest.skip("this registry has no mcp-cassette 0.4.0")

    install_once(folder, "0.4.0", install)
    return [node, str(folder / "node_modules/mcp-cassette/dist/cli.js")]


def over_stdio(argv: list[str]) -> StdioTransport:
    return StdioTransport(argv[0], argv[1:], keep_alive=False)


async def heard(transport: Any, *, streams: bool = True) -> tuple[dict[str, Any], int, list[str]]:
    """What a client gets from server-everything, how often it hears of progress, and what it is asked."""
    visit = Visit()
    async with visit.client(transport, mode="legacy") as client:
        got = {
            "tools": sorted(tool.name for tool in await client.list_tools()),
            "prompts": sorted(prompt.name for prompt in await client.list_prompts()),
        }
        calls: list[tuple[str, dict[str, Any]]] = [
            ("echo", {"message": "é \U0001f600"}),
            ("get-sum", {"a": 1.5, "b": 2}),
        ]
        if streams:
            calls.append(("trigger-long-running-operation", {"duration": 0.5, "steps": 3}))
            calls.append(("trigger-elicitation-request", {}))
        for name, arguments in calls:
            answer = await client.call_tool(name, arguments, raise_on_error=False)
            got[name] = [getattr(block, "text", None) for block in answer.content]
    return got, len(visit.progress), visit.asked


def imported(recording: Path) -> Path:
    target = recording.with_suffix(".imported.jsonl")
    done = mcptap("import", recording, "-o", target)
    assert done.returncode == 0, done.stderr
    checked = mcptap("doctor", target)
    assert checked.returncode == 0, checked.stdout
    assert "left out" not in done.stderr
    return target


def replayed(cassette: Path, *, streams: bool = True) -> tuple[dict[str, Any], int, list[str]]:
    argv = [*MCPTAP, "replay", "--fail-on-unused", str(cassette)]
    return asyncio.run(heard(over_stdio(argv), streams=streams))


STDIO: dict[str, Callable[[Path], list[str]]] = {
    "mcp-rec": lambda path: [program("mcp-rec==0.1.1"), "record", "-o", str(path)],
    "pypi-mcp-cassette": lambda path: [
        program("mcp-cassette[http]==0.4.0", newest=True), "record", "--cassette", str(path)
    ],
    "npm-mcp-cassette": lambda path: [*npm_program(), "record", "-o", str(path)],
}  # fmt: skip


@pytest.mark.parametrize("tool", STDIO)
def test_what_was_recorded_over_stdio_is_replayed(tool: str, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    live = asyncio.run(heard(over_stdio([*STDIO[tool](path), "--", *command("stdio")])))
    assert (live[1], len(live[2])) == (3, 1)
    assert replayed(imported(path)) == live


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


Proxy = Callable[[Path, str, int], tuple[list[str], str]]
"""What starts a recording proxy, by the recording, the server's URL and the port; and the path it serves."""


def mcp_recorder(path: Path, url: str, port: int) -> tuple[list[str], str]:
    # What it asks for is older than what it gets, and no longer has what it uses.
    name = program("mcp-recorder==0.5.0", "starlette<0.50")
    server = url.removesuffix("/mcp")
    return [name, "record", "--target", server, "--port", str(port), "--output", str(path)], "/mcp"


def pypi(path: Path, url: str, port: int) -> tuple[list[str], str]:
    name = program("mcp-cassette[http]==0.4.0", newest=True)
    return [name, "record", "--cassette", str(path), "--url", url, "--port", str(port)], "/mcp"


def npm(path: Path, url: str, port: int) -> tuple[list[str], str]:
    argv = [*npm_program(), "record", "-o", str(path), "--http", url, "--listen", f"127.0.0.1:{port}"]
    return argv, "/mcp"


@pytest.mark.anyio
@pytest.mark.parametrize("proxy", [mcp_recorder, pypi, npm])
async def test_what_was_recorded_over_http_is_replayed(proxy: Proxy, tmp_path: Path) -> None:
    path, port = tmp_path / "recording", free_port()
    # Of a stream mcp-recorder keeps the first message only, and a question holds it up for ever.
    streams = proxy is not mcp_recorder
    async with everything("streamableHttp") as server:
        argv, place = proxy(path, server.url, port)
        async with started(argv, stdout=True, env={"PYTHONUNBUFFERED": "1"}) as running:
            await running.says(str(port))
            live = await heard(StreamableHttpTransport(f"http://127.0.0.1:{port}{place}"), streams=streams)
            await running.stop()
    cassette = imported(path)
    again = await anyio.to_thread.run_sync(partial(replayed, cassette, streams=streams))
    assert again == live
