"""The front for WebSocket clients: an ASGI app, each socket a client with a connection of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from fastmcp.server.http import HostOriginGuardMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketState

from mcptap.exchange import RpcError, client_address
from mcptap.tap.link import Link, Receiver
from mcptap.tap.link.websocket import SUBPROTOCOL, WebSocketLink, parse
from mcptap.tap.private import lifespan_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mcptap.tap.app import Tap

_CLOSING: Final = 0.2
_INTERNAL_ERROR: Final = 1011


def websocket_app(tap: Tap, path: str) -> Starlette:
    """Make an ASGI application that serves WebSocket clients, with Host and Origin checked.

    Args:
        tap: What answers them.
        path: Where the endpoint is.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        async with lifespan_of(tap):
            yield

    async def refuse(request: Request) -> PlainTextResponse:
        del request
        return PlainTextResponse("Here is a WebSocket", 426, {"upgrade": "websocket"})

    return Starlette(
        routes=[WebSocketRoute(path, _Endpoint(tap)), Route(path, refuse)],
        middleware=[Middleware(HostOriginGuard)],
        lifespan=lifespan,
    )


class HostOriginGuard:
    """FastMCP's check of Host and Origin, which by itself looks at HTTP requests alone.

    A browser lets a page of any origin open a WebSocket: only the server can refuse it (RFC 6455, 10.2).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._for_http = HostOriginGuardMiddleware(app, mode="strict")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may come in, and refuse the rest."""
        if scope["type"] != "websocket":
            await self._for_http(scope, receive, send)
            return

        async def pass_on(*_: object) -> None:
            await self._app(scope, receive, send)

        async def refuse(message: Message) -> None:
            await send({**message, "type": f"websocket.{message['type']}"})

        scheme = "https" if scope["scheme"] == "wss" else "http"
        as_http = {**scope, "type": "http", "method": "GET", "scheme": scheme}
        await HostOriginGuardMiddleware(pass_on, mode="strict")(as_http, receive, refuse)


class _Endpoint:
    def __init__(self, tap: Tap) -> None:
        self._tap = tap

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        offered = scope["subprotocols"]
        if offered and SUBPROTOCOL not in offered:
            refusal = PlainTextResponse(f"The subprotocol of this WebSocket is {SUBPROTOCOL}", 400)
            await refusal(scope, receive, send)
            return
        if scope.get("client"):
            client_address.set(tuple(scope["client"]))
        await self._tap.serve_client(partial(_open, WebSocket(scope, receive, send)), "ws")


@contextlib.asynccontextmanager
async def _open(socket: WebSocket, receiver: Receiver) -> AsyncIterator[Link]:
    """Speak with one client until the context is left."""
    # Whoever offers nothing is content with anything.
    await socket.accept(SUBPROTOCOL if socket.scope["subprotocols"] else None)

    async def send_text(text: str) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # the client has gone
            await socket.send_text(text)

    link = WebSocketLink(send_text)
    try:
        async with link.writing(), anyio.create_task_group() as tasks:
            tasks.start_soon(_read_all, socket, receiver, link)
            yield link
            tasks.cancel_scope.cancel()
    finally:
        with anyio.move_on_after(_CLOSING, shield=True), contextlib.suppress(OSError, RuntimeError):
            if socket.client_state is WebSocketState.CONNECTED:
                await socket.close(_INTERNAL_ERROR, "the server is gone")


async def _read_all(socket: WebSocket, receiver: Receiver, link: WebSocketLink) -> None:
    """Hand on every message until the client closes the socket, none while it doesn't read its answers."""
    while (message := await socket.receive())["type"] == "websocket.receive":
        try:
            receiver.received(parse(_data_of(message)))
        except RpcError as error:
            link.send({"jsonrpc": "2.0", "id": None, "error": error.error})
        await link.drain()
    receiver.closed("the client closed the connection")


def _data_of(message: Message) -> str | bytes:
    data: str | bytes | None = message.get("text")
    return message.get("bytes", b"") if data is None else data
