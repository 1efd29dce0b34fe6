"""`mcptap wrap` and `unwrap` as a user runs them, on configurations in a home folder of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastmcp.cli.discovery import discover_servers

from mcptap.clients import places
from tests.cli.running import environment
from tests.clients.raw import PipeClient, handshake
from tests.http.running import ROOT, WIRE, requests, server

JSON = """{
    // servers
    "%s": {
        "other": {"command": "y"},
        "it": {"command": "x", "args": ["-y"], "env": {"KEY": "sesame"}}, /* kept */
    },
}
"""
GOOSE = "extensions:\n  it:   # kept\n    type: stdio\n    cmd: x\n    args: [-y]\n  other: {type: builtin}\n"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "project").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def mcptap(home: Path) -> Run:
    """Runs mcptap in the project in the home folder; ``cwd`` is another place to run it in."""

    def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        env = {key: value for key, value in environment(HOME=str(home)).items() if not key.startswith("XDG_")}
        return subprocess.run(
            [sys.executable, "-m", "mcptap", *map(str, arguments)],
            capture_output=True,
            check=False,
            encoding="utf-8",
            env=env | {"PYTHONPATH": str(ROOT)},
            cwd=cwd or home / "project",
            stdin=subprocess.DEVNULL,
            timeout=60,
        )

    return run


def put(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(run: subprocess.CompletedProcess[str], message: str) -> None:
    assert run.returncode == 2, run.stderr
    assert message in run.stderr
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""


LINUX = [
    ("claude-desktop", ".config/Claude/claude_desktop_config.json", JSON % "mcpServers"),
    ("claude-code", ".claude.json", JSON % "mcpServers"),
    ("claude-code", "project/.mcp.json", JSON % "mcpServers"),
    ("cursor", ".cursor/mcp.json", JSON % "mcpServers"),
    ("cursor", "project/.cursor/mcp.json", JSON % "mcpServers"),
    ("vscode", ".config/Code/User/mcp.json", JSON % "servers"),
    ("vscode", "project/.vscode/mcp.json", JSON % "servers"),
    ("gemini-cli", ".gemini/settings.json", JSON % "mcpServers"),
    ("gemini-cli", "project/.gemini/settings.json", JSON % "mcpServers"),
    ("goose", ".config/goose/config.yaml", GOOSE),
]


@pytest.mark.skipif(sys.platform != "linux", reason="the places are Linux's")
@pytest.mark.parametrize(("client", "path", "text"), LINUX)
def test_every_client_is_wrapped_and_unwrapped(
    client: str, path: str, text: str, home: Path, mcptap: Run
) -> None:
    config = put(home / path, text)
    before = tree(home)
    dry = mcptap("wrap", f"{client}:it", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "sesame" not in dry.stdout
    assert f"--- {config}\n" in dry.stdout
    assert tree(home) == before
    done = mcptap("wrap", f"{client}:it", "-o", "rec")
    assert done.returncode == 0, done.stderr
    assert "sesame" not in done.stdout
    edited = config.read_text()
    assert "kept" in edited
    assert f"{home}/project/rec" in edited
    (backup,) = config.parent.glob("*.mcptap-backup")
    assert backup.read_text() == text
    assert backup.stat().st_mode & 0o777 == 0o600
    refused(mcptap("wrap", f"{client}:it"), f"mcptap unwrap {client}:it")
    assert config.read_text() == edited
    undone = mcptap("unwrap", f"{client}:it")
    assert undone.returncode == 0, undone.stderr
    assert tree(home) == before


def test_the_diff_is_in_colour_on_a_terminal(home: Path) -> None:
    config = put(home / "project/mcp.json", JSON % "mcpServers")
    command = [sys.executable, "-m", "mcptap", "wrap", f"{config}:it", "--dry-run"]
    shown = []
    for more in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):
        master, slave = pty.openpty()
        with subprocess.Popen(command, stdout=slave, env=environment(TERM="xterm") | more) as process:
            os.close(slave)
            seen = b""
            with contextlib.suppress(OSError):  # how Linux says that the other end is closed
                while chunk := os.read(master, 1 << 16):
                    seen += chunk
        os.close(master)
        assert process.returncode == 0
        assert b"mcptap" in seen
        shown.append(b"\x1b[" in seen)
    assert shown == [True, False, False]


def test_what_the_user_did_since_stays(home: Path, mcptap: Run) -> None:
    def edited(text: str) -> str:
        for old, new in {"sesame": "open", '"y"': '"z"', "// servers": "// mine"}.items():
            text = text.replace(old, new)
        return text

    config = put(home / "project/mcp.json", JSON % "mcpServers")
    mcptap("wrap", "mcp.json:it")
    config.write_text(edited(config.read_text()))
    assert mcptap("unwrap", "mcp.json:it").returncode == 0
    assert config.read_text() == edited(JSON % "mcpServers")


def test_mode_and_link_stay(home: Path, mcptap: Run) -> None:
    real = put(home / "dotfiles/mcp.json", JSON % "mcpServers", mode=0o640)
    link = home / "project/mcp.json"
    link.symlink_to(real)
    assert mcptap("wrap", f"{link}:it").returncode == 0
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert "record" in real.read_text()
    assert mcptap("unwrap", f"{link}:it").returncode == 0
    assert real.read_text() == JSON % "mcpServers"


def test_the_entry_in_effect_here_is_the_one_that_is_wrapped(home: Path, mcptap: Run) -> None:
    project = home / "project"
    entries = {"it": {"command": "x"}}
    everywhere = put(
        home / ".claude.json",
        json.dumps({"mcpServers": entries, "projects": {str(project): {"mcpServers": entries}}}, indent=2),
    )
    shared = put(project / ".mcp.json", json.dumps({"mcpServers": entries}))
    (project / "inner").mkdir()
    for step in ("projects", "shared", "mcpServers"):
        run = mcptap("wrap", "claude-code:it", cwd=project / "inner")
        assert run.returncode == 0, run.stderr
        changed = json.loads(everywhere.read_text())
        if step == "projects":
            assert "record" in changed["projects"][str(project)]["mcpServers"]["it"]["args"]
            del changed["projects"]
            everywhere.write_text(json.dumps(changed))
        elif step == "shared":
            assert "record" in shared.read_text()
            shared.unlink()
        else:
            assert "record" in changed["mcpServers"]["it"]["args"]


def test_a_variable_that_is_not_set_here_is_named_and_left_to_the_client(home: Path, mcptap: Run) -> None:
    env = {
        "A": "${env:NOT_SET_HERE}",
        "B": "${PATH}",
        "C": "${AND:-default}",
        "D": "${userHome}",
        "E": "$BARE",
    }
    path = put(home / "project/mcp.json", json.dumps({"mcpServers": {"it": {"command": "x", "env": env}}}))
    done = mcptap("wrap", "mcp.json:it")
    assert done.returncode == 0
    assert done.stderr.strip() == "not set    NOT_SET_HERE: here, which is well if the client has it"
    assert json.loads(path.read_text())["mcpServers"]["it"]["env"] == env


BAD = [
    ("", "it", "line 1 is not JSON"),
    ("{", "it", "line 1 is not JSON"),
    ("{}", "it", "it has no servers at all"),
    ('{"mcpServers": {"a": {"command": "x"}, "b": {}}}', "it", "it has a, b"),
    ('{"mcpServers": {"it": {"command": "x"},\n"it": {"command": "y"}}}', "it", "'it' is named twice"),
    ('{"mcpServers": {"it": {"command": "x",\n"command": "y"}}}', "it", "has 'command' twice"),
    ('{"mcpServers": {"it": {"command": "x", "url": "http://h"}}}', "it", "both 'command' and 'url'"),
    (
        '{"mcpServers": {\n"it": {"command": "x", "comand": "y"}}}',
        "it",
        "line 2: the server 'it' has an unkn",
    ),
    ('{"mcpServers": {"it": {}}}', "it", "starts no server"),
    ('{"mcpServers": {"it": "x"}}', "it", "starts no server"),
    (
        '{"mcpServers": {"it": {"command": "/bin/mcptap", "args": ["record", "--", "x"]}}}',
        "it",
        "through mcptap alr",
    ),
    ('{"mcpServers": {"it": {"url": "http://h", "auth": "oauth"}}}', "it", "can't sign in by itself"),
]


@pytest.mark.parametrize(("text", "name", "message"), BAD, ids=[message for _, _, message in BAD])
def test_what_is_wrong_is_said_and_the_file_stays(
    text: str, name: str, message: str, home: Path, mcptap: Run
) -> None:
    put(home / "project/mcp.json", text)
    before = tree(home)
    refused(mcptap("wrap", f"mcp.json:{name}"), message)
    assert tree(home) == before


def test_what_is_not_there_is_said(home: Path, mcptap: Run) -> None:
    refused(mcptap("wrap", "cursor:it"), "cursor has no configuration here; looked for ")
    refused(mcptap("wrap", "emacs:it"), "there is no client 'emacs'; mcptap knows claude-desktop")
    refused(mcptap("wrap", "it"), "write it as CLIENT:NAME")
    refused(mcptap("wrap", "none.json:it"), "there is no configuration none.json")
    put(home / "project/config.toml", '[mcp_servers.it]\ncommand = "x"\n')
    refused(mcptap("wrap", "config.toml:it"), "can't be edited")


def test_a_backup_that_exists_is_kept(home: Path, mcptap: Run) -> None:
    put(home / "project/mcp.json", JSON % "mcpServers")
    put(home / "project/mcp.json.it.mcptap-backup", "precious")
    before = tree(home)
    refused(mcptap("wrap", "mcp.json:it"), "mcp.json.it.mcptap-backup exists already")
    assert tree(home) == before


def test_what_is_not_wrapped_is_not_unwrapped(home: Path, mcptap: Run) -> None:
    by_hand = {"command": "mcptap", "args": ["record", "-o", "rec", "--", "x"]}
    put(home / "project/mcp.json", json.dumps({"mcpServers": {"it": {"command": "x"}, "mine": by_hand}}))
    before = tree(home)
    refused(mcptap("unwrap", "mcp.json:it"), "doesn't go through mcptap; there is nothing to undo")
    refused(mcptap("unwrap", "mcp.json:mine"), "there is no backup")
    assert tree(home) == before


def test_what_mcptap_wrote_and_the_user_changed_is_not_overwritten(home: Path, mcptap: Run) -> None:
    config = put(home / "project/mcp.json", JSON % "mcpServers")
    mcptap("wrap", "mcp.json:it")
    config.write_text(config.read_text().replace('"-y"', '"-n"'))
    before = tree(home)
    refused(mcptap("unwrap", "mcp.json:it"), "'args' was changed since mcptap wrote it")
    assert tree(home) == before


def test_a_backup_that_cannot_be_made_leaves_the_file_as_it_was(home: Path, mcptap: Run) -> None:
    longest = "m" * 250 + ".json"  # with a suffix it is more than a file system takes, from root too
    config = put(home / longest, JSON % "mcpServers")
    refused(mcptap("wrap", f"{config}:it"), "can't be made")
    assert config.read_text() == JSON % "mcpServers"


def started_as_in(config: Path, name: str, **options: Any) -> PipeClient:
    """A raw client that starts a server as its configuration says."""
    entry = json.loads(config.read_text())["mcpServers"][name]
    env = {**os.environ, **entry.get("env", {}), "PYTHONPATH": str(ROOT)}
    return PipeClient([entry["command"], *entry["args"]], cwd=config.parent, env=env, timeout=60, **options)


def test_a_wrapped_command_records(home: Path, mcptap: Run, tmp_path: Path) -> None:
    command, *arguments = WIRE
    entry = {"command": command, "args": arguments, "env": {"KEY": "sesame"}}
    config = put(home / "project/mcp.json", json.dumps({"mcpServers": {"it": entry}}))
    assert mcptap("wrap", "mcp.json:it", "-o", tmp_path / "rec").returncode == 0

    async def work() -> None:
        async with started_as_in(config, "it") as client:
            await handshake(client)
            (child,) = psutil.Process(client.pid).children()
            assert child.environ()["KEY"] == "sesame"
            client.close_stdin()
            assert await client.wait() == 0

    asyncio.run(work())
    (cassette,) = (tmp_path / "rec").glob("it-*.jsonl")
    assert requests(cassette)


def test_a_wrapped_url_sends_its_headers_and_shows_them_to_nobody(
    home: Path, mcptap: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        log = tmp_path / "log"
        async with server("wire_http", "0", "--log", str(log)) as upstream:
            entry = {
                "type": "http",
                "url": f"{upstream.url}/mcp?key=sesame",
                "headers": {"Authorization": "Bearer sesame", "X-Tenant": "${TENANT:-blue}"},
            }
            config = put(home / "project/mcp.json", json.dumps({"mcpServers": {"it": entry}}))
            assert mcptap("wrap", "mcp.json:it", "-o", tmp_path / "rec").returncode == 0
            async with started_as_in(config, "it") as client:
                await handshake(client)
                assert "sesame" not in " ".join(psutil.Process(client.pid).cmdline())
                client.close_stdin()
                assert await client.wait() == 0, client.stderr
        headers: dict[str, str] = json.loads(log.read_text().splitlines()[0])["headers"]
        heard = {name.lower(): value for name, value in headers.items()}
        assert heard["authorization"] == "Bearer sesame"
        assert heard["x-tenant"] == "blue"
        (cassette,) = (tmp_path / "rec").glob("it-*.jsonl")
        assert "sesame" not in cassette.read_text()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "env:NOT_SET"], "--url: the environment variable NOT_SET is not set"),
        (
            ["--url", "http://h", "-H", "A: env:NOT_SET"],
            "--header A: the environment variable NOT_SET is not set",
        ),
        (["--url-transport", "sse", "--", "x"], "--url-transport goes with --url"),
    ],
)
def test_what_the_environment_lacks_is_said(arguments: list[str], message: str, mcptap: Run) -> None:
    refused(mcptap("proxy", *arguments), message)


def test_the_printed_entry_serves_the_recording(home: Path, mcptap: Run) -> None:
    printed = mcptap("replay", ROOT / "recordings/time.jsonl", "--fail-on-unused", "--print-config")
    assert printed.returncode == 0, printed.stderr
    config = put(home / "project/mcp.json", printed.stdout)

    async def work() -> None:
        async with started_as_in(config, "time", era="modern") as client:
            assert (await handshake(client)).result["supportedVersions"]
            client.close_stdin()
            assert await client.wait() == 1  # not all of it was asked for

    asyncio.run(work())
    printing = ["replay", ROOT / "recordings/time.jsonl", "--print-config", "--transport", "http", "--port"]
    served = mcptap(*printing, "3000")
    assert json.loads(served.stdout)["mcpServers"]["time"]["url"] == "http://127.0.0.1:3000/mcp"
    refused(mcptap(*printing, "0"), "choose one")
    assert mcptap("replay", "none.jsonl", "--print-config").returncode == 3


@pytest.mark.skipif(sys.platform != "linux", reason="the places are Linux's")
def test_the_places_are_those_that_fastmcp_knows(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(home / "project")
    plain = json.dumps({"mcpServers": {"it": {"command": "x"}}})
    for _, path, text in LINUX:
        put(home / path, text if path.endswith(".yaml") else plain)
    names = {"gemini": "gemini-cli"}
    known = {(names.get(found.source, found.source), found.config_path) for found in discover_servers()}
    assert {client for client, _ in known} == {
        "claude-desktop",
        "claude-code",
        "cursor",
        "gemini-cli",
        "goose",
    }
    for client, config in known:
        assert config in places.CLIENTS[client](), (client, config)
