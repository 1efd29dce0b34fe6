"""A WebSocket server in the test's own loop, which does what a test tells it to."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.clients.raw import HANDSHAKE_VERSION

Answer: TypeAlias = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]
"""Does something about a request: answers it, or not."""

_INITIALIZED = {
    "protocolVersion": HANDSHAKE_VERSION,
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "scripted", "version": "1"},
}


async def reply(socket: ServerConnection, request: dict[str, Any], result: Any) -> None:
    """Answer a request."""
    await socket.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}))


@contextlib.asynccontextmanager
async def upstream(answer: Answer | None = None, **options: Any) -> AsyncIterator[str]:
    """Serve until the context is left; give the URL.

    Args:
        answer: What to do about ``tools/call``; ``initialize`` and ``tools/list`` are always answered.
        options: Those of `serve`.
    """

    async def speak(socket: ServerConnection) -> None:
        async for text in socket:
            request = json.loads(text)
            if request["method"] == "initialize":
                await reply(socket, request, _INITIALIZED)
            elif request["method"] == "tools/list":
                await reply(socket, request, {"tools": []})
            elif request["method"] == "tools/call" and answer is not None:
                await answer(socket, request)

    settings: dict[str, Any] = {
        "subprotocols": [Subprotocol("mcp")],
        "max_size": None,
        "compression": None,
        **options,
    }
    async with serve(speak, "127.0.0.1", 0, **settings) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'wss' if options.get('ssl') else 'ws'}://127.0.0.1:{port}/ws"
