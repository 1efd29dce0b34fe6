"""The misbehaving servers misbehave as they should."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.clients.raw import HttpClient, PipeClient, handshake
from tests.servers.processes import ended

ROOT = Path(__file__).resolve().parents[2]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def python(module: str, *arguments: str) -> PipeClient:
    return PipeClient([sys.executable, "-m", f"tests.servers.{module}", *arguments], cwd=ROOT)


@contextlib.asynccontextmanager
async def http_misbehaving(mode: str) -> AsyncIterator[tuple[str, asyncio.StreamReader]]:
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.servers.http_misbehaving", "0", mode],
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout
    try:
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        yield f"http://127.0.0.1:{ready['ready']}/mcp", process.stdout
    finally:
        process.kill()
        await process.wait()


def test_misbehaving_processes(tmp_path: Path) -> None:
    async def work() -> None:
        async with python("misbehaving", "exit") as client:
            with pytest.raises((ConnectionError, BrokenPipeError)):
                await handshake(client)
            assert await client.wait() == 7
        async with python("misbehaving", "silent") as client:
            with pytest.raises(TimeoutError):
                await client.request("ping", timeout=0.3)
            client.close_stdin()
            assert await client.wait() == 0
        async with python("misbehaving", "rubbish") as client:
            with pytest.raises(TimeoutError):
                await client.request("ping", timeout=0.5)
            assert len(client.rubbish) >= 20
        async with python("misbehaving", "rubbish-then-fine") as client:
            await handshake(client)
            assert len(client.rubbish) == 3
        async with python("misbehaving", "exit-after", "2") as client:
            await handshake(client)
            await client.request("ping")
            assert await client.wait() == 9
        report = tmp_path / "pids"
        async with python("misbehaving", "ignores-eof", str(report)) as client:
            await handshake(client)
            client.close_stdin()
            client.process.terminate()
            with pytest.raises(TimeoutError):
                await client.wait(0.5)
        pids = json.loads(report.read_text())
        for pid in pids.values():
            await ended(pid)

    run(work())


def test_http_misbehaving() -> None:
    async def work() -> None:
        for mode, status, word in (("html", 200, "Sign in"), ("401", 401, "unauthorized"), ("500", 500, "")):
            async with http_misbehaving(mode) as (url, _), HttpClient(url) as client:
                answer = await client.request("ping")
                assert (answer.status, answer.body.get("result")) == (status, None)
                assert word in answer.text
                assert ("www-authenticate" in answer.headers) == (mode == "401")
        async with http_misbehaving("slow") as (url, _), HttpClient(url) as client:
            with pytest.raises(TimeoutError):
                await client.request("ping", timeout=0.3)
        async with http_misbehaving("redirect") as (url, seen), HttpClient(url) as client:
            answer = await client.request("ping", headers={"authorization": "Bearer x"})
            assert answer.status == 307
            assert answer.headers["location"].startswith("http://127.0.0.1:")
            arrived = json.loads(await seen.readline())
            assert (arrived["mode"], arrived["headers"]["authorization"]) == ("redirect", "Bearer x")

    run(work())
