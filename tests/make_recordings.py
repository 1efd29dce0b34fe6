"""Records the example cassettes in recordings/ anew, from real servers.

    python -m tests.make_recordings

It needs mcp-server-time and mcp-server-git (the test extra), and npm's server-everything on PATH.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError

FOLDER = Path(__file__).parent.parent / "recordings"
Session = Callable[[Client[Any]], Awaitable[None]]


async def use_time(client: Client[Any]) -> None:
    await client.list_tools()
    await client.call_tool("get_current_time", {"timezone": "Europe/Berlin"})
    await client.call_tool(
        "convert_time",
        {"source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo"},
    )
    try:
        await client.call_tool("get_current_time", {"timezone": "Nowhere/Atlantis"})
    except ToolError:
        pass
    else:
        raise RuntimeError("the server knows Atlantis")


async def use_git(client: Client[Any]) -> None:
    await client.list_tools()
    for tool in ("git_status", "git_log", "git_diff_unstaged", "git_branch"):
        await client.call_tool(
            tool, {"repo_path": "."} | ({"branch_type": "local"} if tool == "git_branch" else {})
        )


async def use_everything(client: Client[Any]) -> None:
    await client.list_tools()
    await client.list_prompts()
    await client.list_resources()
    await client.list_resource_templates()
    await client.call_tool("echo", {"message": "hello"})
    await client.call_tool("get-sum", {"a": 1.5, "b": 2})
    await client.call_tool("get-tiny-image", {})
    await client.call_tool("trigger-long-running-operation", {"duration": 1, "steps": 4})
    await client.call_tool("trigger-elicitation-request", {})
    await client.get_prompt("args-prompt", {"city": "Oslo"})


async def answer(*_: object) -> ElicitResult[Any]:
    return ElicitResult(action="decline")


async def record(name: str, command: list[str], mode: str, session: Session, cwd: str | None = None) -> None:
    path = FOLDER / f"{name}.jsonl"
    transport = StdioTransport(
        sys.executable,
        ["-m", "mcptap", "record", "-o", str(path), "--mode", "rewrite", "--name", name, "--", *command],
        env=dict(os.environ),
        cwd=cwd,
        keep_alive=False,
    )
    async with Client(
        transport, mode=mode, elicitation_handler=answer, roots=["file:///home/ada/project"]
    ) as client:
        await session(client)


def make_repository(folder: str) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    (Path(folder) / "README").write_text("hello\n", encoding="utf-8")
    git("add", "README")
    git("commit", "--message", "Begin")
    (Path(folder) / "README").write_text("hello, world\n", encoding="utf-8")


async def main() -> None:
    await record("time", ["mcp-server-time"], "auto", use_time)
    with tempfile.TemporaryDirectory() as folder:
        make_repository(folder)
        await record("git", ["mcp-server-git", "--repository", "."], "legacy", use_git, folder)
    await record("everything", ["mcp-server-everything", "stdio"], "auto", use_everything)


if __name__ == "__main__":
    asyncio.run(main())
