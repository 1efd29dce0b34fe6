"""Wrapped entries of every client, started as that client starts them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.cli.running import environment
from tests.clients.raw import PipeClient, handshake
from tests.http.running import PATIENCE, ROOT, WIRE, requests, server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the places are Linux's")

CLIENTS = {
    "claude-desktop": (".config/Claude/claude_desktop_config.json", "mcpServers"),
    "claude-code": (".claude.json", "mcpServers"),
    "cursor": (".cursor/mcp.json", "mcpServers"),
    "vscode": (".config/Code/User/mcp.json", "servers"),
    "gemini-cli": (".gemini/settings.json", "mcpServers"),
    "goose": (".config/goose/config.yaml", "extensions"),
}
SERVERS = {"http": ("wire_http", "/mcp"), "sse": ("wire_sse", "/sse"), "ws": ("wire_socket", "/ws")}


def spelled(client: str, entry: Mapping[str, Any]) -> str:
    """A configuration with one server, as the client has it."""
    table = CLIENTS[client][1]
    if client != "goose":
        return json.dumps({table: {"it": entry}}, indent=2)
    names = {"command": "cmd", "env": "envs", "url": "uri"}
    entry = {"type": "stdio", **{names.get(key, key): value for key, value in entry.items()}, "enabled": True}
    return yaml.safe_dump({table: {"it": entry}}, sort_keys=False)


def started(client: str, text: str) -> tuple[list[str], dict[str, str]]:
    """What the client starts for its one server: the command, and the environment that it adds."""
    entry = (yaml.safe_load if client == "goose" else json.loads)(text)[CLIENTS[client][1]]["it"]
    if client == "goose":
        assert entry["type"] == "stdio"
        return [entry["cmd"], *entry["args"]], entry.get("envs", {})
    assert entry.get("type", "stdio") == "stdio"
    assert "url" not in entry
    return [entry["command"], *entry["args"]], entry.get("env", {})


@contextlib.asynccontextmanager
async def wrapped(client: str, entry: Mapping[str, Any], home: Path) -> AsyncIterator[PipeClient]:
    """The wrapped entry as a running process; at the end it is unwrapped, and all is as it was."""
    config = home / CLIENTS[client][0]
    config.parent.mkdir(parents=True, exist_ok=True)
    text = spelled(client, entry)
    config.write_text(text)
    users = {key: value for key, value in environment(HOME=str(home)).items() if not key.startswith("XDG_")}

    def mcptap(*arguments: str) -> None:
        argv = [sys.executable, "-m", "mcptap", *arguments]
        ran = subprocess.run(
            argv, cwd=home, env=users | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=False
        )
        assert ran.returncode == 0, ran.stderr

    await asyncio.to_thread(mcptap, "wrap", f"{client}:it", "-o", str(home / "rec"))
    argv, added = started(client, config.read_text())
    env = {**os.environ, **added, "PYTHONPATH": str(ROOT)}
    async with PipeClient(argv, cwd=home, env=env, timeout=PATIENCE) as pipe:
        yield pipe
        pipe.close_stdin()
        assert await pipe.wait() == 0, pipe.stderr
    await asyncio.to_thread(mcptap, "unwrap", f"{client}:it")
    assert config.read_text() == text


@pytest.mark.parametrize("client", CLIENTS)
def test_a_wrapped_command_is_started_with_its_environment_and_recorded(client: str, tmp_path: Path) -> None:
    async def work() -> None:
        command, *arguments = WIRE
        entry = {"command": command, "args": arguments, "env": {"KEY": "sesame"}}
        async with wrapped(client, entry, tmp_path) as pipe:
            await handshake(pipe)
            (child,) = psutil.Process(pipe.pid).children()
            assert child.environ()["KEY"] == "sesame"
            assert (await pipe.call("echo", {"text": client})).result["content"]
        (cassette,) = (tmp_path / "rec").glob("it-*.jsonl")
        assert [line["method"] for line in requests(cassette)] == ["initialize", "tools/call"]

    asyncio.run(work())


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("client", ["vscode", "goose"])
def test_a_wrapped_url_of_every_transport_is_a_command_that_answers(
    client: str, kind: str, tmp_path: Path
) -> None:
    module, path = SERVERS[kind]

    async def work() -> None:
        async with server(module, "0") as upstream:
            url = upstream.url.replace("http", "ws" if kind == "ws" else "http") + path
            kinds = {"goose": {"http": "streamable_http"}}.get(client, {})
            entry = {"type": kinds.get(kind, kind), "url": url, "headers": {"Authorization": "Bearer sesame"}}
            async with wrapped(client, entry, tmp_path) as pipe:
                assert "sesame" not in " ".join(psutil.Process(pipe.pid).cmdline())
                await handshake(pipe)
                assert (await pipe.call("echo", {"text": kind})).result["content"]
        (cassette,) = (tmp_path / "rec").glob("it-*.jsonl")
        assert json.loads(cassette.read_text().splitlines()[0])["upstream"]["transport"] == kind

    asyncio.run(work())
