"""A Streamable HTTP server that is started again between two requests of a session."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import httpx2
import pytest

from tests.clients.raw import HttpClient, handshake
from tests.http.running import PATIENCE, Process, interactions, mcptap, mcptap_on_stdio, server

STARTED = {"wire_http": ["PORT"], "toolbox": ["http", "PORT"]}
"""How each is started: one that has no body for status 404, and the SDK's own."""
NEWS = "has forgotten the session: a new one was begun in its place"


def starting(kind: str, port: str) -> list[str]:
    return [port if each == "PORT" else each for each in STARTED[kind]]


async def killed(running: Process) -> str:
    """Kill a server; gives its port."""
    os.killpg(running.process.pid, signal.SIGKILL)
    await running.process.wait()
    return running.url.rpartition(":")[2]


@pytest.mark.parametrize("kind", STARTED)
def test_the_client_goes_on_and_the_user_is_told(kind: str, tmp_path: Path) -> None:
    cassette = tmp_path / "rec.jsonl"

    async def work() -> None:
        async with server(kind, *starting(kind, "0")) as first:
            url = f"{first.url}/mcp"
            async with mcptap_on_stdio("record", "-o", cassette, "--url", url) as client:
                await handshake(client)
                before = await client.request("tools/list")
                port = await killed(first)
                async with server(kind, *starting(kind, port)):
                    lists = await asyncio.gather(*(client.request("tools/list") for _ in range(10)))
                    assert all(each.result == before.result for each in lists)
                    client.close_stdin()
                    assert await client.wait() == 0
                assert [line for line in client.stderr.splitlines() if NEWS in line] == [
                    f"mcptap: {url} {NEWS}"
                ]

    asyncio.run(work())
    methods = [line["method"] for line in interactions(cassette) if line["kind"] == "interaction"]
    assert methods == ["initialize", *["tools/list"] * 11], "what mcptap asks by itself is not recorded"


def test_it_is_counted_as_a_reconnect() -> None:
    async def work() -> None:
        async with server("wire_http", "0") as first:
            arguments = ["proxy", "--metrics", "--url", f"{first.url}/mcp"]
            async with (
                mcptap(*arguments) as running,
                HttpClient(running.url, timeout=PATIENCE) as client,
                httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as http,
            ):
                await handshake(client)
                port = await killed(first)
                async with server("wire_http", port):
                    await asyncio.gather(*(client.call("echo") for _ in range(10)))
                    scraped = await http.get(running.url.removesuffix("/mcp") + "/metrics")
                counted = re.findall(
                    r"^mcptap_upstream_reconnects_total\S* (\S+)$", scraped.text, re.MULTILINE
                )
                assert counted == ["1.0"]

    asyncio.run(work())
