"""Links: raw JSON-RPC frames in and out, over every transport that an upstream or a client has.

A frame is the JSON object as `mcptap.codec` parsed it. A link writes without blocking and hands what
it reads to a receiver at once, so that a frame costs no task switch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, TypeAlias

Frame: TypeAlias = dict[str, Any]
Id: TypeAlias = str | int
OUTSIDE: Final[Id] = -1
"""The origin of what came outside any request, where the transport tells."""


class Receiver(Protocol):
    """Takes what a link reads, in the order in which it came."""

    def received(self, frame: Frame, origin: Id | None = None) -> None:
        """Take one frame.

        Args:
            frame: The JSON-RPC message.
            origin: The id of our own request whose stream it came on, or `OUTSIDE`; ``None`` where the
                transport doesn't tell.
        """

    def failed(self, request_id: Id, reason: str, *, was_heard: bool = False) -> None:
        """Learn that one request of ours will get no answer, and why; the others may.

        Args:
            request_id: Its id.
            reason: Why, in one line.
            was_heard: Whether the other side is there, and said something that is no JSON-RPC.
        """

    def paused(self, request_id: Id) -> None:
        """Learn that the server closed the stream of a request of ours, which goes on on another one."""

    def warned(self, message: str) -> None:
        """Learn of something that is worth a line to the user, but ends nothing."""

    def closed(self, reason: str, reads_for: float = 0.0) -> None:
        """Learn that nothing will come any more, and why.

        Args:
            reason: Why, in one line.
            reads_for: Seconds for which the other side still reads what it is sent.
        """


class Link(Protocol):
    """One connection's raw frames."""

    def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        """Write a frame, or take it into the link's own buffer.

        Args:
            frame: The JSON-RPC message.
            headers: The protocol's own HTTP headers for it; other transports have no use for them.
        """

    async def drain(self) -> None:
        """Wait while the other side is slower than what was sent."""


Opener: TypeAlias = Callable[[Receiver], AbstractAsyncContextManager[Link]]
"""Opens a link for a receiver; leaving the context closes it.

Raises `mcptap.errors.UpstreamError` where there is nobody to talk to.
"""
