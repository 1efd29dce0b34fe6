"""Recording the same session twice: a diff of times and ids, and none at all when they are normalized."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

from tests.cli.running import mcptap as run
from tests.http.running import MCPTAP, mcptap
from tests.servers.everything import Visit, command

# What is a time or an id in a cassette, and a time in a text.
_MEMBERS = re.compile(r'"(?:at|at_ms|ms|proxy_ms)":[0-9.]+,?|"(?:id|recorded_at|trace_id|span_id)":"[^"]+",?')
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

Use = Callable[[Visit, Any, Path], Awaitable[None]]


async def use_time(visit: Visit, client: Any, folder: Path) -> None:
    await client.list_tools()
    await client.call_tool("get_current_time", {"timezone": "Europe/Berlin"})
    noon = {"source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    await client.call_tool("convert_time", noon)
    await client.call_tool("get_current_time", {"timezone": "Nowhere"}, raise_on_error=False)


async def use_git(visit: Visit, client: Any, folder: Path) -> None:
    await client.list_tools()
    for tool in ("git_status", "git_log", "git_diff_unstaged"):
        await client.call_tool(tool, {"repo_path": str(folder / "repository")})


async def use_everything(visit: Visit, client: Any, folder: Path) -> None:
    await visit.walk(client)


def python(module: str) -> Callable[[], list[str]]:
    return lambda: [sys.executable, "-m", module]


async def record(argv: list[str], use: Use, mode: str, front: str, cassette: Path, *options: str) -> None:
    visit, record = Visit(), ["record", *options, "-o", str(cassette), "--", *argv]
    if front == "stdio":
        transport = StdioTransport(MCPTAP[0], [*MCPTAP[1:], *record], keep_alive=False)
        async with visit.client(transport, mode=mode) as client:
            await use(visit, client, cassette.parent)
        return
    async with mcptap(*record) as running:
        async with visit.client(StreamableHttpTransport(running.url), mode=mode) as client:
            await use(visit, client, cassette.parent)
        assert await running.stop() == 0


def without_times_and_ids(cassette: Path) -> list[str]:
    text = _TIME.sub("…", _MEMBERS.sub("", cassette.read_text(encoding="utf-8")))
    return _joined(text.rstrip("\n").split("\n"))


def _joined(lines: list[str]) -> list[str]:
    """Lines without the mark that one took more than a second, which is a time: begin and end are one."""
    joined: list[str] = []
    begun: dict[int, dict[str, Any]] = {}
    for line in lines:
        content = json.loads(re.sub(r",}", "}", line))
        kind, seq = content.get("kind"), content.get("seq")
        if kind == "begin":
            begun[seq] = {**content, "kind": "interaction", "events": []}
        elif kind == "event":
            begun[seq]["events"].append(
                {name: each for name, each in content.items() if name not in ("kind", "seq")}
            )
        else:
            if kind == "end":
                content = {**begun[seq], **content, "kind": "interaction"}
            if not content.get("events"):
                content.pop("events", None)
            joined.append(json.dumps(content, sort_keys=True))
    return joined


@pytest.mark.parametrize("front", ["stdio", "http"])
@pytest.mark.parametrize(
    ("argv", "use", "mode"),
    [
        (python("mcp_server_time"), use_time, "legacy"),
        (python("mcp_server_time"), use_time, "2026-07-28"),
        (python("mcp_server_git"), use_git, "legacy"),
        (python("mcp_server_git"), use_git, "2026-07-28"),
        (lambda: command("stdio"), use_everything, "legacy"),
    ],
    ids=["time-legacy", "time-modern", "git-legacy", "git-modern", "everything-legacy"],
)
def test_recording_the_same_session_twice(
    argv: Callable[[], list[str]], use: Use, mode: str, front: str, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    author = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    commit = ["commit", "--quiet", "--allow-empty", "--no-gpg-sign", "--message=one"]
    subprocess.run(["git", "-C", str(repository), *author, *commit], check=True)
    paths = [tmp_path / name for name in ("1.jsonl", "2.jsonl")]
    for path in paths:
        asyncio.run(record(argv(), use, mode, front, path))
    first, second = map(without_times_and_ids, paths)
    assert first == second
    normalized = tmp_path / "normalized.jsonl"
    asyncio.run(record(argv(), use, mode, front, normalized, "--normalize"))
    for path in paths:
        assert run("redact", path, "--in-place", "--normalize").returncode == 0
        diff = ["git", "diff", "--no-index", "--exit-code", str(normalized), str(path)]
        assert subprocess.run(diff, capture_output=True, text=True, check=False).stdout == ""
