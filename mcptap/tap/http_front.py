"""The front for HTTP and WebSocket clients: an app, on a socket that is ours before anything starts."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import anyio
import uvicorn
from starlette.applications import Starlette

from mcptap.tap.app import Tap
from mcptap.tap.link.websocket import MAX_SIZE, PING_INTERVAL, PING_TIMEOUT
from mcptap.tap.listening import Server
from mcptap.tap.private import lifespan_of
from mcptap.tap.websocket_front import websocket_app

NetworkTransport: TypeAlias = Literal["http", "sse", "ws"]
"""Streamable HTTP, legacy SSE, or WebSocket."""

_DRAIN: Final = 0.3


def application_of(tap: Tap, path: str, transport: NetworkTransport) -> Starlette:
    """Make an ASGI application that serves clients of one transport, with Host and Origin checked."""
    if transport == "ws":
        return websocket_app(tap, path)
    return tap.http_app(transport=transport, path=path, host_origin_protection=True)


async def serve_http(
    tap: Tap,
    taken: socket.socket,
    *,
    transport: NetworkTransport,
    path: str,
    stop: anyio.Event,
    around: Callable[[Any], Any] = lambda app: app,
) -> None:
    """Serve clients until told to stop, or until the tap can't go on.

    Args:
        tap: What answers them.
        taken: A listening socket; it is closed at the end.
        transport: Streamable HTTP, legacy SSE or WebSocket.
        path: Where the endpoint is.
        stop: Set from outside.
        around: Puts an ASGI application of its own before the front's.
    """
    app = around(application_of(tap, path, transport))
    server = server_of(app, lifespan="on", websockets=transport == "ws")

    async def ending(event: anyio.Event) -> None:
        await event.wait()
        tap.end_recording()
        server.should_exit = True

    async with lifespan_of(tap), anyio.create_task_group() as tasks:
        tasks.start_soon(ending, stop)
        tasks.start_soon(ending, tap.stopping)
        await run_server(server, taken)
        tasks.cancel_scope.cancel()


def server_of(app: Any, *, lifespan: Literal["on", "off"], websockets: bool = False) -> Server:
    """A server of an ASGI application that is ended by its ``should_exit`` alone."""
    config = uvicorn.Config(
        app,
        lifespan=lifespan,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=_DRAIN,  # type: ignore[arg-type]  # for wait_for
        ws="websockets-sansio" if websockets else "none",
        ws_max_size=MAX_SIZE,
        ws_ping_interval=PING_INTERVAL,
        ws_ping_timeout=PING_TIMEOUT,
        ws_per_message_deflate=False,
    )
    return Server(config)


async def run_server(server: Server, taken: Any) -> None:
    """Serve on a listening socket until the server is told to exit, and close the socket."""
    try:
        await server.serve(sockets=[taken])
    finally:
        taken.close()
