"""npm's servers of ``@modelcontextprotocol``; among them everything, which speaks every older transport.

They are installed once into a cache folder and run by ``node`` itself. Where there is no npm the test is
skipped and says so; in CI that is a failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, NoReturn

import psutil
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult

from tests.http.running import PATIENCE, Process, started
from tests.servers.cache import CACHE, cannot_run, install_once

SERVERS = ("everything", "filesystem", "memory", "sequential-thinking")
VERSION = "2026.8.31"
FOLDER = CACHE / "npm"
PATHS = {"sse": "/sse", "streamableHttp": "/mcp"}


def npm_server(name: str, *arguments: str) -> list[str]:
    """What starts one of the servers; installs them all first if need be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        _cannot_run("there is no node or npm on PATH")
    install_once(FOLDER, VERSION, partial(_install, npm))
    return [node, str(FOLDER / "node_modules" / _package(name) / "dist/index.js"), *arguments]


def npm_client(script: Path) -> list[str]:
    """What runs a script that finds npm's ``@modelcontextprotocol/sdk`` where it is told to."""
    node, *_ = npm_server("everything")  # depends on it
    return [node, str(script), str(FOLDER / "node_modules")]


def command(transport: Literal["stdio", "sse", "streamableHttp"]) -> list[str]:
    """What starts server-everything."""
    return npm_server("everything", transport)


@contextlib.asynccontextmanager
async def everything(transport: Literal["sse", "streamableHttp"]) -> AsyncIterator[Process]:
    """Run the server on a free port until it listens."""
    async with started(command(transport), stdout=True, env={"PORT": "0"}) as running:
        await running.says("on port")
        listening = [
            connection.laddr.port
            for connection in psutil.Process(running.process.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        running.url = f"http://127.0.0.1:{listening[0]}{PATHS[transport]}"
        yield running


class Visit:
    """A client's visit to the server: what it asked for, in order, and what it got.

    Attributes:
        results: Every result, as plain values.
        progress: The progress that was reported.
        asked: What the server asked the user and the model.
    """

    def __init__(self) -> None:
        self.results: dict[str, Any] = {}
        self.progress: list[tuple[float, float | None]] = []
        self.asked: list[str] = []

    def client(self, target: Any, **options: Any) -> Client[Any]:
        """A client that can be asked."""
        return Client(
            target,
            sampling_handler=self._sample,
            elicitation_handler=self._elicit,
            progress_handler=self._note_progress,
            timeout=PATIENCE,
            **options,
        )

    async def walk(self, client: Client[Any]) -> None:
        """Use whatever the server offers whose answer doesn't depend on the time of day."""
        assert client.initialize_result
        self.results["opened"] = client.initialize_result.model_dump(mode="json")
        tools = await client.list_tools()
        self.results["tools"] = [tool.model_dump(mode="json") for tool in tools]
        resources = await client.list_resources()
        self.results["resources"] = [resource.model_dump(mode="json") for resource in resources]
        self.results["templates"] = [str(each) for each in await client.list_resource_templates()]
        self.results["prompts"] = [prompt.name for prompt in await client.list_prompts()]
        for resource in resources:
            contents = await client.read_resource(resource.uri)
            self.results[str(resource.uri)] = [each.model_dump(mode="json") for each in contents]
        for name in ("simple-prompt", "args-prompt"):
            prompt = await client.get_prompt(name, {"city": "Paris"} if name == "args-prompt" else None)
            self.results[name] = prompt.model_dump(mode="json")
        await self._call(client, "echo", message="\u2028 é \U0001f600")
        await self._call(client, "get-sum", a=0.1, b=2)
        await self._call(client, "get-tiny-image")
        await self._call(client, "get-structured-content", location="New York")
        await self._call(client, "get-annotated-message", messageType="error", includeImage=True)
        await self._call(client, "get-resource-links", count=3)
        await self._call(client, "get-sum", a="not a number")
        await self._call(client, "no-such-tool")
        await self._call(client, "trigger-long-running-operation", duration=0.1, steps=4)
        await self._call(client, "trigger-sampling-request", prompt="Say hello", maxTokens=10)
        await self._call(client, "trigger-elicitation-request")

    async def _call(self, client: Client[Any], tool: str, **arguments: Any) -> None:
        result = await client.call_tool_mcp(tool, arguments)
        self.results[f"{tool} {arguments}"] = result.model_dump(mode="json", by_alias=True)

    async def _sample(self, messages: Any, params: Any, context: Any) -> str:
        self.asked.append(f"{messages[0].content.text} ({params.max_tokens})")
        return "Hello from the model"

    async def _elicit(self, message: str, response_type: Any, params: Any, context: Any) -> Any:
        self.asked.append(message)
        return ElicitResult(action="accept", content={"name": "Ada", "check": True})

    async def _note_progress(self, progress: float, total: float | None, message: str | None) -> None:
        self.progress.append((progress, total))


def _package(name: str) -> str:
    return f"@modelcontextprotocol/server-{name}"


def _install(npm: str) -> None:
    packages = [f"{_package(name)}@{VERSION}" for name in SERVERS]
    argv = [npm, "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", *packages]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        _cannot_run(f"npm could not install {' '.join(packages)}: {done.stderr.strip()[-300:]}")


def _cannot_run(why: str) -> NoReturn:
    cannot_run(f"the npm servers can't run here: {why}")


async def visit(target: Any, **options: Any) -> Visit:
    """Walk a server through a new client."""
    visitor = Visit()
    async with asyncio.timeout(PATIENCE), visitor.client(target, **options) as client:
        await visitor.walk(client)
    return visitor
