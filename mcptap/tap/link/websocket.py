"""JSON-RPC over a WebSocket, as the SDKs of MCP 1.x speak it: one message a text frame, no batches.

The specification doesn't know this transport. Both sides of mcptap use this link, over whatever sends a
text frame: the `websockets` client towards a server, the ASGI server towards a client.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

import anyio

from mcptap import codec
from mcptap.exchange import RpcError
from mcptap.protocol import INVALID_REQUEST
from mcptap.tap.link import Frame

SUBPROTOCOL: Final = "mcp"
"""What both sides agree on in the opening handshake (RFC 6455, section 1.9)."""
MAX_SIZE: Final = 128 << 20
"""The longest message that is taken, in bytes."""
PING_INTERVAL: Final = 20.0
"""Seconds between two pings, which keep the connection open through whatever is in between."""
PING_TIMEOUT: Final = 120.0
"""Seconds after which the other side counts as gone. It may well be busy: many a tool blocks its server."""

_PARSE_ERROR: Final = -32700
_ENOUGH_WAITING: Final = 1 << 18
_FLUSH: Final = 0.2


def parse(data: str | bytes) -> Frame:
    """Take what came in one WebSocket frame for a message.

    Args:
        data: A text frame's text or a binary frame's bytes.

    Raises:
        RpcError: It is none; the error says so in the way of JSON-RPC.
    """
    if isinstance(data, bytes):
        raise RpcError.of(_PARSE_ERROR, "Parse error: a message is a text frame, and this is a binary one")
    try:
        message = codec.loads(data.encode())
    except ValueError:
        raise RpcError.of(_PARSE_ERROR, "Parse error: the frame is not JSON") from None
    if isinstance(message, list):
        raise RpcError.of(INVALID_REQUEST, "Invalid request: one message a frame, no batches")
    if not isinstance(message, dict) or "jsonrpc" not in message:
        raise RpcError.of(INVALID_REQUEST, "Invalid request: the frame is no JSON-RPC message")
    return message


class WebSocketLink:
    """The sending half of a link over a WebSocket.

    Args:
        send_text: Sends one text frame, and waits while the other side is slower; does nothing once
            the connection is closed.
    """

    in_pieces = False

    def __init__(self, send_text: Callable[[str], Awaitable[None]]) -> None:
        self._send_text = send_text
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._waiting = 0
        self._writable = asyncio.Event()
        self._writable.set()

    def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """Queue a frame; see `Link.send`."""
        del headers
        self.send_raw(self.encoded(frame))

    def encoded(self, frame: Frame) -> bytes:
        """The text of a frame."""
        return codec.dumps(frame)

    def send_raw(self, data: bytes) -> None:
        """Queue a text frame as it is; what a cut has left of its last character is replaced."""
        text = data.decode(errors="replace")
        self._waiting += len(text)
        if self._waiting > _ENOUGH_WAITING:
            self._writable.clear()
        self._outgoing.put_nowait(text)

    async def drain(self) -> None:
        """Wait while much is queued; see `Link.drain`."""
        await self._writable.wait()

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Send what is queued, in order, as long as the context is open, and then what is left of it.

        Whoever leaves a context is often cancelled, and the last answer must be sent for all that.
        """
        scope = anyio.CancelScope(shield=True)

        async def write() -> None:
            with scope:
                await self._write_all()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            try:
                yield
            finally:
                with anyio.move_on_after(_FLUSH, shield=True):
                    await self._outgoing.join()
                scope.cancel()

    async def _write_all(self) -> None:
        while True:
            text = await self._outgoing.get()
            await self._send_text(text)
            self._outgoing.task_done()
            self._waiting -= len(text)
            if self._waiting <= _ENOUGH_WAITING:
                self._writable.set()
