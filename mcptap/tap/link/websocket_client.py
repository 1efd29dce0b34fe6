"""A server's WebSocket as a link."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Final

import anyio
import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, NegotiationError, WebSocketException
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from mcptap.errors import UpstreamError
from mcptap.exchange import RpcError
from mcptap.tap.link import Link, Opener, Receiver
from mcptap.tap.link.client import explain_status, reason_of
from mcptap.tap.link.websocket import (
    MAX_SIZE,
    PING_INTERVAL,
    PING_TIMEOUT,
    SUBPROTOCOL,
    WebSocketLink,
    parse,
)

# Well under the 2 s in which every command of mcptap ends.
_CLOSING: Final = 0.5
_OPENING: Final = 30.0
_NO_ENDPOINT: Final = frozenset({400, 404, 405, 426})


class _Connect(connect):
    """Stays where it was sent: a redirect would take the user's credentials somewhere else."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


def websocket_opener(
    url: str, shown: str, headers: Mapping[str, str] | None, tls: ssl.SSLContext | None
) -> Opener:
    """An opener of links to a WebSocket, a connection for each.

    Args:
        url: Where it is.
        shown: The URL without credentials, for people.
        headers: Sent with the opening handshake.
        tls: What to check the server's certificate with, where the URL says ``wss``.
    """

    @contextlib.asynccontextmanager
    async def open_websocket(receiver: Receiver) -> AsyncIterator[Link]:
        connection = await _open(url, shown, headers, tls)

        async def send_text(text: str) -> None:
            with contextlib.suppress(ConnectionClosed):
                await connection.send(text)

        link = WebSocketLink(send_text)
        try:
            async with link.writing(), anyio.create_task_group() as tasks:
                tasks.start_soon(_read_all, connection, receiver, shown)
                yield link
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await connection.close()

    return open_websocket


async def _open(
    url: str, shown: str, headers: Mapping[str, str] | None, tls: ssl.SSLContext | None
) -> ClientConnection:
    try:
        return await _Connect(
            url,
            ssl=tls,
            additional_headers=headers,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            open_timeout=_OPENING,
            close_timeout=_CLOSING,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
            max_size=MAX_SIZE,
        )
    except InvalidStatus as error:
        raise UpstreamError(_explain_refusal(shown, error)) from None
    except NegotiationError as error:
        raise UpstreamError(
            f"{shown} does not speak the WebSocket subprotocol {SUBPROTOCOL!r}: {error}",
            "is it an MCP server?",
        ) from None
    except (OSError, WebSocketException, ImportError) as error:  # ImportError: a SOCKS proxy needs a package
        raise UpstreamError(
            f"{shown} can't be reached: {reason_of(error)}", "is the server running, and the URL right?"
        ) from None


def _explain_refusal(shown: str, error: InvalidStatus) -> str:
    answer = error.response
    response = httpx2.Response(answer.status_code, headers=list(answer.headers.raw_items()))
    if response.is_success or response.status_code in _NO_ENDPOINT:
        status = f"{shown} answered {response.status_code} {response.reason_phrase}"
        return f"{status}: is this a WebSocket endpoint? Check the path"
    return explain_status(shown, response)


async def _read_all(connection: ClientConnection, receiver: Receiver, shown: str) -> None:
    """Hand on every message until the connection ends."""
    warned = False
    try:
        while True:
            try:
                receiver.received(parse(await connection.recv()))
            except RpcError as error:
                if not warned:
                    warned = True
                    receiver.warned(f"{shown} sent what is no message, ignored: {error}")
    except ConnectionClosed as closed:
        receiver.closed(_explain_closing(shown, closed))


def _explain_closing(shown: str, closed: ConnectionClosed) -> str:
    """Who ended the connection and why, in one line."""
    ours = None if closed.rcvd_then_sent else closed.sent
    if ours is not None and ours.code == CloseCode.MESSAGE_TOO_BIG:
        return f"the server at {shown} sent a message of more than {MAX_SIZE >> 20} MiB"
    if ours is None and closed.rcvd is not None:
        said = f" ({closed.rcvd.reason!r})" if closed.rcvd.reason else ""
        return f"the server at {shown} closed the connection with code {closed.rcvd.code}{said}"
    why = f": {ours.reason}" if ours is not None and ours.reason else ""
    return f"the connection to {shown} broke{why}"
