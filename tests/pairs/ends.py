"""The two sides of a pair: real servers over every transport, and clients, with a tap between them."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import anyio

import mcptap
from mcptap.tap.app import Tap
from mcptap.tap.http_front import serve_http
from mcptap.tap.listening import address_of, listen_on
from tests.clients.raw import Client, Era, HttpClient, PipeClient
from tests.clients.websocket import SocketClient
from tests.http.legacy_client import LegacyClient
from tests.http.running import MCPTAP, PATIENCE, ROOT, WIRE, started
from tests.pairs.talk import answer_server
from tests.servers import first_sdk

Transport: TypeAlias = Literal["stdio", "http", "sse", "ws"]
TRANSPORTS: tuple[Transport, ...] = ("stdio", "http", "sse", "ws")
PATHS: Mapping[str, str] = {"http": "/mcp", "sse": "/sse", "ws": "/ws"}
Server: TypeAlias = str | list[str]
"""A URL, or a command."""

_CLIENTS: Mapping[str, type[Any]] = {"http": HttpClient, "sse": LegacyClient, "ws": SocketClient}
_WIRE_MODULES = {"http": "wire_http", "sse": "wire_sse", "ws": "wire_socket"}


@contextlib.asynccontextmanager
async def real_server(transport: Transport, era: Era) -> AsyncIterator[Server]:
    """A server of the era: one on the SDK of that time, and the wire server for the modern one."""
    if transport == "stdio":
        yield first_sdk.command("server.py", "stdio") if era == "handshake" else WIRE
        return
    argv = first_sdk.command("server.py", "network")
    if era == "modern":
        argv = [sys.executable, "-m", f"tests.servers.{_WIRE_MODULES[transport]}", "0"]
    async with started(argv, stdout=True) as running:
        port = json.loads((await running.says(r'^\{"ready".*'))[0])["ready"]
        yield f"{'ws' if transport == 'ws' else 'http'}://127.0.0.1:{port}{PATHS[transport]}"


@contextlib.asynccontextmanager
async def client_of(server: Server, transport: Transport, era: Era) -> AsyncIterator[Client]:
    """A raw client of a server, or of a tap."""
    options: dict[str, Any] = {"era": era, "timeout": PATIENCE, "on_request": answer_server}
    if transport == "stdio":
        assert isinstance(server, list)
        client: Client = PipeClient(server, cwd=ROOT, **options)
    else:
        client = _CLIENTS[transport](server, **options)
    async with client:
        yield client


@contextlib.asynccontextmanager
async def recording(server: Server, cassette: Path, transport: Transport, era: Era) -> AsyncIterator[Client]:
    """A raw client of a server, with a recording tap between them."""
    if transport == "stdio":
        target = ["--url", server] if isinstance(server, str) else ["--", *server]
        async with _on_stdio(["record", "-o", str(cassette), *target], era) as client:
            yield client
        return
    async with _served(mcptap.create_tap(server, cassette=cassette), transport, era) as client:
        yield client


@contextlib.asynccontextmanager
async def replaying(cassette: Path, transport: Transport, era: Era) -> AsyncIterator[Client]:
    """A raw client of a recording, which must be asked for all that is in it and nothing else."""
    if transport == "stdio":
        async with _on_stdio(["replay", "--fail-on-unused", str(cassette)], era) as client:
            yield client
        return
    tap = mcptap.create_tap(mcptap.open_cassette(cassette))
    async with _served(tap, transport, era) as client:
        yield client
    assert tap.player
    summary = tap.player.summary()
    assert (summary.missed, summary.unused) == (0, 0), summary.sentence()


@contextlib.asynccontextmanager
async def _on_stdio(words: list[str], era: Era) -> AsyncIterator[Client]:
    async with client_of([*MCPTAP, *words], "stdio", era) as client:
        yield client
        pipe = cast("PipeClient", client)
        pipe.close_stdin()
        assert await pipe.wait(PATIENCE) == 0, pipe.stderr


@contextlib.asynccontextmanager
async def _served(tap: Tap, transport: Transport, era: Era) -> AsyncIterator[Client]:
    """A raw client of a tap, which serves in this process as the command does in its own."""
    assert transport != "stdio"
    taken, stop = listen_on("127.0.0.1", 0), anyio.Event()
    url = address_of(taken, PATHS[transport], "ws" if transport == "ws" else "http")
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            await serve_http(tap, taken, transport=transport, path=PATHS[transport], stop=stop)

        tasks.start_soon(serve)
        async with client_of(url, transport, era) as client:
            yield client
        stop.set()
    assert tap.failure is None, tap.failure
