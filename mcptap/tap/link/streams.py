"""The SDK's message streams as a link: FastMCP's client transports, and its in-memory and SSE fronts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Self, cast

import anyio
from fastmcp.client.transports import ClientTransport
from fastmcp.client.transports.base import TransportOptions
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import (
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcptap.errors import UpstreamError
from mcptap.tap.link import Frame, Link, Opener, Receiver
from mcptap.tap.stand_ins import error_stand_in, stand_in
from mcptap.tap.verbatim import exact_message

_LAST_WORDS: Final = 1.0


def transport_opener(transport: ClientTransport) -> Opener:
    """An opener of links over any FastMCP client transport."""

    @contextlib.asynccontextmanager
    async def open_transport(receiver: Receiver) -> AsyncIterator[Link]:
        options = TransportOptions(session_class=cast("Any", _Streams))
        try:
            async with transport.connect_session(transport_options=options) as session:
                streams = cast("_Streams", session)
                async with open_streams(streams.read, streams.write, receiver) as link:
                    yield link
        except OSError as error:
            raise UpstreamError(f"{transport!r} can't be reached: {error}") from None

    return open_transport


@contextlib.asynccontextmanager
async def open_streams(
    read: Any, write: Any, receiver: Receiver, *, verbatim: bool = False
) -> AsyncIterator[Link]:
    """Speak over a pair of the SDK's streams of `SessionMessage` until the context is left.

    What was sent before that still has `_LAST_WORDS` seconds to go.

    Args:
        read: Where messages come from.
        write: Where they go.
        receiver: Takes those that come.
        verbatim: Whether those that go pass `mcptap.tap.verbatim.Verbatim`.
    """
    async with anyio.create_task_group() as tasks:
        link = StreamsLink(read, write, receiver, verbatim=verbatim)
        tasks.start_soon(link.read_all)
        tasks.start_soon(link.write_all)
        try:
            yield link
        finally:
            await link.close()
            tasks.cancel_scope.cancel()


class _Streams:
    """Stands in for the SDK's session in a transport: hands out the bare streams."""

    def __init__(self, read_stream: Any, write_stream: Any, **_: Any) -> None:
        self.read = read_stream
        self.write = write_stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """The transport owns the streams."""


class StreamsLink:
    """Frames to and from a pair of the SDK's streams."""

    def __init__(self, read: Any, write: Any, receiver: Receiver, *, verbatim: bool = False) -> None:
        self._verbatim = verbatim
        self._read = read
        self._write = write
        self._receiver = receiver
        self._written = anyio.Event()
        self._writing = anyio.CancelScope(shield=True)
        self._send, self._outgoing = anyio.create_memory_object_stream[SessionMessage](float("inf"))

    def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """Queue a frame; see `Link.send`."""
        metadata = ClientMessageMetadata(headers=dict(headers)) if headers else None
        if self._verbatim:
            frame = _with_stand_ins(frame)
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._send.send_nowait(SessionMessage(_to_message(frame), metadata))

    async def drain(self) -> None:
        """The queue is unbounded, as the memory streams behind it hand over without buffering."""

    async def close(self) -> None:
        """Take no more, and write what is queued, unless that takes long."""
        self._send.close()
        with anyio.move_on_after(_LAST_WORDS, shield=True):
            await self._written.wait()
        self._writing.cancel()

    async def read_all(self) -> None:
        """Hand on every message until the stream ends."""
        with contextlib.suppress(anyio.ClosedResourceError):
            async for item in self._read:
                if isinstance(item, SessionMessage):
                    request = getattr(item.metadata, "request_context", None)
                    exact = exact_message(request) if self._verbatim else None
                    self._receiver.received(_to_frame(item.message) if exact is None else dict(exact))
                else:
                    self._receiver.warned(f"something that is not JSON-RPC was ignored: {item}")
        self._receiver.closed("the connection was closed")

    async def write_all(self) -> None:
        """Write what is queued, in order, until `close`."""
        with self._writing:
            try:
                async with self._outgoing:
                    async for message in self._outgoing:
                        await self._write.send(message)
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                self._receiver.closed("the connection was closed")
            finally:
                self._written.set()


def _with_stand_ins(frame: Frame) -> Frame:
    changed: Frame = {
        member: stand_in(frame[member])
        for member in ("params", "result")
        if isinstance(frame.get(member), dict)
    }
    if "error" in frame:
        changed["error"] = error_stand_in(frame["error"])
    return {**frame, **changed}


def _to_message(frame: Frame) -> JSONRPCMessage:
    # The frame was parsed from JSON-RPC already: nothing is to be validated a second time.
    if "method" in frame:
        return (JSONRPCRequest if "id" in frame else JSONRPCNotification).model_construct(**frame)
    if "error" in frame:
        error = frame["error"]
        return JSONRPCError.model_construct(**{**frame, "error": ErrorData.model_construct(**error)})
    return JSONRPCResponse.model_construct(**frame)


def _to_frame(message: JSONRPCMessage) -> Frame:
    frame: Frame = {"jsonrpc": "2.0"}
    for member in ("id", "method", "params", "result"):
        value = getattr(message, member, None)
        if value is not None:
            frame[member] = value
    if isinstance(message, JSONRPCError):
        frame["error"] = message.error.model_dump(by_alias=True, mode="json", exclude_unset=True)
    return frame
