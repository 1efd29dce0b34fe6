"""The recipes of README.md and the commands of docs/bridge.md do what they say.

A command is run as it stands there. Only where it names what isn't here, a port, a host or a program,
something of the same kind is put in its place.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from tests.clients.raw import Client, HttpClient, PipeClient, handshake
from tests.clients.websocket import SocketClient
from tests.http.running import PATIENCE, ROOT, server, started
from tests.servers.processes import ended

README = (ROOT / "README.md").read_text(encoding="utf-8")
BRIDGE = (ROOT / "docs/bridge.md").read_text(encoding="utf-8")
_ELSEWHERE = {"url": r"(https?|wss?)://\S+", "port": r"(?<=--port )\d+"}
Era = Literal["handshake", "modern"]
OLD = f"exec {shlex.quote(sys.executable)} -m tests.servers.wire --era handshake"


def command(page: str, beginning: str, **instead: str) -> list[str]:
    """The one command of a page that begins so, with what isn't here replaced."""
    (line,) = re.findall(rf"^{re.escape(beginning)}.*$", page, flags=re.MULTILINE)
    line = line.partition("  #")[0]
    for name, replacement in instead.items():
        line, count = re.subn(_ELSEWHERE[name], replacement, line)
        assert count == 1
    return shlex.split(line.replace("…", "sesame"))


@pytest.fixture
def env(tmp_path: Path) -> Mapping[str, str]:
    """An environment with mcptap, and with programs of others that start a server of the handshake era."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("npx", "uvx", "old-server"):
        (folder / name).write_text(f"#!/bin/sh\n{OLD}\n")
        (folder / name).chmod(0o755)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}


async def use(client: Client) -> str:
    await handshake(client)
    answer = await client.call("echo", {"text": "x"})
    assert "result" in answer.body, answer.text
    return answer.outcome


async def over_stdio(
    argv: list[str], env: Mapping[str, str], folder: Path, *, era: Era = "handshake", code: int = 0
) -> str:
    """Use a server as its client on stdin and stdout, until it has ended with an exit code."""
    async with PipeClient(argv, env=env, cwd=folder, era=era, timeout=PATIENCE) as client:
        outcome = await use(client)
        client.close_stdin()
        assert await client.wait() == code, client.stderr
    return outcome


async def over_network(
    argv: list[str], env: Mapping[str, str], folder: Path, *, era: Era = "handshake"
) -> str:
    """Use a server at the address that it prints, until it has ended at a signal."""
    argv = ["env", "-C", str(folder), *argv]
    async with started(argv, env=env) as running:
        url = (await running.says(r"serving .* at ((?:http|ws)\S+)"))[1]
        kind: Any = SocketClient if url.startswith("ws") else HttpClient
        async with kind(url, era=era, timeout=PATIENCE) as client:
            outcome = await use(client)
        assert await running.stop() == 0, running.text
    return outcome


def run(argv: list[str], env: Mapping[str, str], folder: Path) -> str:
    ran = subprocess.run(argv, cwd=folder, env=dict(env), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_an_old_sse_server_for_current_clients_and_its_recording(
    env: Mapping[str, str], tmp_path: Path
) -> None:
    async def work() -> None:
        async with server("wire_sse", "0") as upstream:
            recording = command(README, "mcptap record -o old.jsonl", url=f"{upstream.url}/sse", port="0")
            live = await over_network(recording, env, tmp_path)
        assert await over_stdio(command(README, "mcptap replay old.jsonl"), env, tmp_path) == live

    asyncio.run(work())


def test_a_websocket_server_and_websocket_clients(env: Mapping[str, str], tmp_path: Path) -> None:
    async def work() -> None:
        async with server("wire_socket", "0") as upstream:
            url = upstream.url.replace("http", "ws") + "/ws"
            await over_stdio(command(README, "mcptap proxy --url wss:", url=url), env, tmp_path)
        recording = command(README, "mcptap record -o time.jsonl --transport ws", port="0")
        argv = ["env", "-C", str(tmp_path), *recording]
        async with started(argv, env=env) as running:
            url = (await running.says(r"serving .* at (ws\S+)"))[1]
            async with SocketClient(url, timeout=PATIENCE) as client:
                await handshake(client)
                assert "result" in (await client.call("get_current_time", {"timezone": "UTC"})).body
            assert await running.stop() == 0, running.text
        assert "get_current_time" in (tmp_path / "time.jsonl").read_text()

    asyncio.run(work())


def test_servers_of_one_era_for_clients_of_the_other(env: Mapping[str, str], tmp_path: Path) -> None:
    async def work() -> None:
        await over_stdio(command(README, "mcptap proxy --bridge auto"), env, tmp_path, era="modern")
        await over_stdio(command(BRIDGE, "mcptap proxy --bridge auto"), env, tmp_path, era="modern")
        async with server("wire_http", "0", "--era", "modern") as upstream:
            recording = command(BRIDGE, "mcptap record -o rec.jsonl", url=f"{upstream.url}/mcp")
            live = await over_network([*recording, "--port", "0"], env, tmp_path)
        replay = command(BRIDGE, "mcptap replay --bridge auto")
        assert await over_stdio(replay, env, tmp_path) == live

    asyncio.run(work())


def test_a_recording_is_made_once_and_replayed_in_ci(env: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()

    async def work() -> None:
        recording = command(README, "mcptap record -o tests/weather.jsonl")
        live = await over_stdio(recording, env, tmp_path)
        again = (tmp_path / "tests/weather.jsonl").read_bytes()
        assert await over_stdio(recording, env, tmp_path) == live
        assert (tmp_path / "tests/weather.jsonl").read_bytes() == again
        replay = command(README, "mcptap replay tests/weather.jsonl --fail-on-unused")
        assert await over_stdio(replay, env, tmp_path) == live
        async with PipeClient(replay, env=env, cwd=tmp_path, timeout=PATIENCE) as client:
            await handshake(client)  # and asks for nothing that the recording has
            client.close_stdin()
            assert await client.wait() == 1, client.stderr

    asyncio.run(work())


def test_an_entry_of_a_clients_configuration_starts_a_recording(
    env: Mapping[str, str], tmp_path: Path
) -> None:
    (text,) = re.findall(r"```json\n(\{[^`]*/path/to/recordings/[^`]*)```", README)
    entry = json.loads(text.replace("/path/to/recordings/", f"{tmp_path}/recordings/"))["mcpServers"]["time"]

    async def work() -> None:
        argv = [entry["command"], *entry["args"]]
        async with PipeClient(argv, env=env, cwd=tmp_path, timeout=PATIENCE) as client:
            await handshake(client)
            (child,) = psutil.Process(client.pid).children()
            client.close_stdin()
            assert await client.wait() == 0, client.stderr
        await ended(child.pid)

    asyncio.run(work())
    assert len(list((tmp_path / "recordings").iterdir())) == 1


def test_a_configured_server_is_wrapped_and_unwrapped(env: Mapping[str, str], tmp_path: Path) -> None:
    config = tmp_path / ".config/Claude/claude_desktop_config.json"
    config.parent.mkdir(parents=True)
    text = '{\n  "mcpServers": {"github": {"command": "old-server"}}  \n}\n'
    config.write_text(text)
    users = {name: value for name, value in env.items() if not name.startswith("XDG_")}
    shown = run(command(README, "mcptap wrap claude-desktop:github --dry-run"), users, tmp_path)
    assert "+" in shown
    assert config.read_text() == text
    wraps = [line for line in README.splitlines() if line == "mcptap wrap claude-desktop:github"]
    run(shlex.split(wraps[0]), users, tmp_path)
    entry = json.loads(config.read_text())["mcpServers"]["github"]
    asyncio.run(over_stdio([entry["command"], *entry["args"]], users, tmp_path))
    run(command(README, "mcptap unwrap claude-desktop:github"), users, tmp_path)
    assert config.read_text() == text
