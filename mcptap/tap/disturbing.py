"""What goes wrong below the messages: a connection that ends, a frame cut or spoilt, bytes that trickle."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import anyio
from anyio.abc import TaskGroup

from mcptap import codec
from mcptap.faults import Fault, breaks_frames
from mcptap.tap.link import Frame, Id, Link

Disturb: TypeAlias = Callable[[Fault], None]
"""Has the answer to one request go wrong as a fault says, or the connection end."""

_TICK: Final = 0.01
_DATA: Final = b"data: "


@runtime_checkable
class RawLink(Protocol):
    """A link that can write what is no frame.

    Attributes:
        in_pieces: Whether a frame may go out in several pieces.
    """

    in_pieces: bool

    def encoded(self, frame: Frame) -> bytes:
        """What stands for a frame on the wire."""

    def send_raw(self, data: bytes) -> None:
        """Write bytes as they are, whether or not they are a frame."""


def disturbed(payload: bytes, fault: Fault) -> bytes:
    """The text of a JSON-RPC message as a fault leaves it: its first half, or no JSON any more."""
    match fault.ending:
        case "truncate":
            return payload[: len(payload) // 2]
        case "malformed":
            return payload.replace(b":", b";", 1)
        case _:
            return payload


async def trickle(data: bytes, rate: float) -> AsyncIterator[bytes]:
    """Pieces of ``data``, each when its time has come at ``rate`` bytes a second; single bytes, if slow."""
    size = max(1, int(rate * _TICK))
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        await anyio.sleep(len(piece) / rate)
        yield piece


class DisturbedLink:
    """A link to a client some of whose answers go wrong.

    Args:
        link: The link.
        tasks: Owns what is being written slowly; all that comes after it waits.
        report: Told of an answer that the link can't spoil.
    """

    def __init__(self, link: Link, tasks: TaskGroup, report: Callable[[str], None]) -> None:
        self._link = link
        self._tasks = tasks
        self._report = report
        self._faults: dict[Id, Fault] = {}
        self._waiting: deque[tuple[Frame, Mapping[str, str] | None]] | None = None
        self._ended = False

    def disturb(self, request_id: Id, fault: Fault) -> None:
        """Have the answer to a request go wrong, or end the connection: nothing is sent any more."""
        if breaks_frames([fault]):
            self._faults[request_id] = fault
        self._ended = self._ended or fault.ending == "disconnect"

    def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """Write a frame; see `Link.send`."""
        if self._waiting is not None:
            self._waiting.append((frame, headers))
            return
        fault = None if "method" in frame else self._faults.pop(frame.get("id", ""), None)
        if self._ended:
            return
        if fault is None:
            self._link.send(frame, headers)
        elif not isinstance(self._link, RawLink):
            self._report("a fault could not break a frame: this client's transport has no frames of mcptap's")
            self._link.send(frame, headers)
        else:
            self._send_disturbed(self._link, frame, fault)

    async def drain(self) -> None:
        """Wait for a slow reader; see `Link.drain`."""
        await self._link.drain()

    def _send_disturbed(self, link: RawLink, frame: Frame, fault: Fault) -> None:
        whole = link.encoded(frame)
        payload = whole.rstrip(b"\n")
        data = disturbed(payload, fault) + whole[len(payload) :]
        if fault.rate is None:
            link.send_raw(data)
        else:
            self._waiting = deque()
            self._tasks.start_soon(self._trickle, link, data, fault.rate)

    async def _trickle(self, link: RawLink, data: bytes, rate: float) -> None:
        if link.in_pieces:
            async for piece in trickle(data, rate):
                link.send_raw(piece)
        else:
            await anyio.sleep(len(data) / rate)
            link.send_raw(data)
        waiting, self._waiting = self._waiting or (), None
        for frame, headers in waiting:
            self.send(frame, headers)  # one of them may be slow too, and the rest waits for it


AsgiMessage: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[AsgiMessage], Awaitable[None]]


class DisturbedAnswer:
    """The answer to one HTTP request that goes wrong, as ASGI messages.

    Args:
        send: Takes what is left of them.
        fault: How it goes wrong.
    """

    def __init__(self, send: Send, fault: Fault) -> None:
        self._send = send
        self._fault = fault
        self._ended = False

    def spoilt(self, body: bytes) -> bytes:
        """A piece of the body, with the message that answers the request spoilt if it is in it."""
        return b"".join(
            _DATA + self._payload(line[len(_DATA) :]) if line.startswith(_DATA) else self._payload(line)
            for line in body.splitlines(keepends=True)
        )

    async def send(self, message: AsgiMessage) -> None:
        """Send a message, slowly if need be; nothing, once the connection is to end.

        A server closes the connection of an answer that was not sent to its end.
        """
        if self._ended:
            return
        body = message.get("body", b"")
        if message["type"] != "http.response.body" or not body:
            await self._send(message)
        elif self._fault.ending == "disconnect":
            self._ended = True
        elif self._fault.rate is None:
            await self._send(message)
        else:
            async for piece in trickle(body, self._fault.rate):
                await self._send({**message, "body": piece, "more_body": True})
            await self._send({**message, "body": b""})

    def _payload(self, line: bytes) -> bytes:
        text = line.rstrip(b"\r\n")
        return disturbed(text, self._fault) + line[len(text) :] if _is_answer(text) else line


def _is_answer(text: bytes) -> bool:
    if not text.startswith(b"{"):
        return False
    try:
        message = codec.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and ("result" in message or "error" in message)
