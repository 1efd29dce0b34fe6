"""One side of a JSON-RPC connection over a link: ids, answers, order and cancellation.

Both ends of mcptap use it: towards the server for every transport, towards the client for pipes. It
knows nothing of MCP but ``notifications/cancelled``. Frames are taken synchronously, so what one
request causes keeps its order: its notifications are delivered before its answer.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

import anyio
from anyio.abc import TaskGroup

from mcptap.exchange import INTERNAL_ERROR, RpcError, UnansweredError, UnintelligibleError, given_id
from mcptap.model import Json
from mcptap.protocol import INVALID_REQUEST, STREAM_CLOSED
from mcptap.tap.link import Frame, Id, Link

CANCELLED: Final = "notifications/cancelled"
CONNECTION_CLOSED: Final = -32000
"""What the SDKs answer when a connection ends under a request."""

Delivery: TypeAlias = Callable[[], Awaitable[None]]


class Handler(Protocol):
    """What the owner of a peer does with what comes in."""

    async def on_request(self, inbound: Inbound) -> Json:
        """Answer a request of the other side.

        Raises:
            RpcError: The error to answer it with.
        """

    def on_notification(self, method: str, params: Json | None, origin: Id | None) -> None:
        """Take a notification, in order of arrival; must not block."""

    def on_warning(self, message: str) -> None:
        """Take a line for the user."""

    def on_closed(self, reason: str) -> None:
        """Learn that the connection has ended."""


class Inbound:
    """A request of the other side that is being answered.

    Attributes:
        id: The other side's id of it.
        method: Its method.
        params: Its params.
        origin: Our own request whose stream it came on, where the transport tells.
        cancelled: The params of the other side's ``notifications/cancelled``, once there is one.
    """

    __slots__ = ("cancelled", "id", "method", "origin", "params", "scope")

    def __init__(self, request_id: Id, method: str, params: Json | None, origin: Id | None) -> None:
        self.id = request_id
        self.method = method
        self.params = params
        self.origin = origin
        self.cancelled: Json | None = None
        self.scope = anyio.CancelScope()


class Call:
    """A request of ours that awaits its answer, with what came for it in the meantime."""

    __slots__ = ("_deliveries", "_wake", "outcome")

    def __init__(self) -> None:
        self._deliveries: deque[Delivery] = deque()
        self._wake: asyncio.Future[None] | None = None
        self.outcome: Frame | RpcError | None = None

    def deliver(self, delivery: Delivery) -> None:
        """Have something done before the answer is given out, after all that came before it."""
        self._deliveries.append(delivery)
        self._rouse()

    def settle(self, outcome: Frame | RpcError) -> None:
        """Set the answer; the first one counts."""
        if self.outcome is None:
            self.outcome = outcome
            self._rouse()

    async def wait(self) -> Json:
        """Do what is to be delivered, until the answer is there.

        Raises:
            RpcError: The answer is an error.
        """
        while True:
            while self._deliveries:
                await self._deliveries.popleft()()
            if self.outcome is not None:
                break
            # A bare future: an event of anyio's costs 10 µs more, twice a call.
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        if isinstance(self.outcome, RpcError):
            raise self.outcome
        if (error := self.outcome.get("error")) is not None:
            raise RpcError(error if isinstance(error, dict) else {"message": str(error)})
        result = self.outcome.get("result")
        if not isinstance(result, dict):
            raise RpcError.of(INTERNAL_ERROR, "The answer has no result object (JSON-RPC 2.0, section 5)")
        return result

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class Peer:
    """One side of a connection. Set ``link`` before anything is sent.

    Args:
        handler: What to do with what comes in.
        tasks: Owns the tasks that answer the other side's requests.
    """

    link: Link

    def __init__(self, handler: Handler, tasks: TaskGroup) -> None:
        self._handler = handler
        self._tasks = tasks
        self._last_id = 0
        self._calls: dict[Id, Call] = {}
        self._inbound: dict[Id, Inbound] = {}
        self.ended: str | None = None
        """Why nothing comes any more; ``None`` while the connection stands."""
        self.reads_for = math.inf
        """Seconds for which the other side will go on reading."""

    @property
    def busy(self) -> bool:
        """Whether a request of the other side is being answered."""
        return bool(self._inbound)

    @property
    def calls(self) -> Mapping[Id, Call]:
        """Our requests that await their answer, by id."""
        return self._calls

    def next_id(self) -> int:
        """An id for the next request of ours."""
        self._last_id += 1
        return self._last_id

    async def request(
        self,
        method: str,
        params: Json | None,
        *,
        request_id: Id | None = None,
        headers: Mapping[str, str] | None = None,
        cancelled: Callable[[], Json | None] = lambda: None,
    ) -> Json:
        """Send a request and wait for its answer; it is on the wire before the first wait.

        Args:
            method: The method.
            params: The params; ``None`` leaves the member out.
            request_id: An id from `next_id`, where the caller needs to know it before.
            headers: The protocol's own headers, for HTTP.
            cancelled: Gives the params of the cancel notification to send if the caller is cancelled.

        Raises:
            RpcError: The other side answered with an error.
            UnansweredError: The connection ended before the answer.
        """
        if self.ended is not None:
            raise UnansweredError.of(CONNECTION_CLOSED, self.ended)
        number = self.next_id() if request_id is None else request_id
        given_id.set(number)
        call = self._calls[number] = Call()
        try:
            self.link.send(_message(method, params, number), headers)
            await self.link.drain()
            return await call.wait()
        except anyio.get_cancelled_exc_class():
            if self.ended is None:
                self.notify_now(CANCELLED, {**(cancelled() or {}), "requestId": number})
            raise
        finally:
            del self._calls[number]

    async def notify(
        self, method: str, params: Json | None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a notification; over HTTP with the protocol's own headers."""
        self.notify_now(method, params, headers)
        await self.link.drain()

    def notify_now(self, method: str, params: Json | None, headers: Mapping[str, str] | None = None) -> None:
        """Send a notification without waiting for a slow reader."""
        if self.reads_for > 0:
            self.link.send(_message(method, params), headers)

    # What the link calls.

    def received(self, frame: Frame, origin: Id | None = None) -> None:
        """Take one frame; see `Receiver.received`."""
        method, number = frame.get("method"), frame.get("id")
        params = frame.get("params")
        params = params if isinstance(params, dict) else None
        if not isinstance(method, str):
            call = self._calls.get(number) if isinstance(number, (str, int)) else None
            if call is not None:
                call.settle(frame)
        elif "id" in frame and (isinstance(number, bool) or not isinstance(number, (str, int))):
            refusal = {"code": INVALID_REQUEST, "message": "An id is a string or an integer"}
            self.link.send({"jsonrpc": "2.0", "id": None, "error": refusal})
        elif isinstance(number, (str, int)):
            inbound = self._inbound[number] = Inbound(number, method, params, origin)
            self._tasks.start_soon(self._answer, inbound)
        else:
            if method == CANCELLED and params is not None:
                self._cancel(params)
            self._handler.on_notification(method, params, origin)

    def warned(self, message: str) -> None:
        """Hand on a line for the user."""
        self._handler.on_warning(message)

    def closed(self, reason: str, reads_for: float = 0.0) -> None:
        """Fail every request that waits for an answer; see `Receiver.closed`."""
        if self.ended is None:
            self.ended = reason
            self.reads_for = reads_for
            for call in self._calls.values():
                call.settle(UnansweredError.of(CONNECTION_CLOSED, reason))
            self._handler.on_closed(reason)

    def failed(self, request_id: Id, reason: str, *, was_heard: bool = False) -> None:
        """Fail one request of ours; see `Receiver.failed`."""
        call = self._calls.get(request_id)
        if call is not None:
            kind = UnintelligibleError if was_heard else UnansweredError
            call.settle(kind.of(CONNECTION_CLOSED, reason))

    def paused(self, request_id: Id) -> None:
        """Tell in its place that a stream was closed in mid-request; see `Receiver.paused`."""
        self._handler.on_notification(STREAM_CLOSED, None, request_id)

    def _cancel(self, params: Json) -> None:
        number = params.get("requestId")
        inbound = self._inbound.get(number) if isinstance(number, (str, int)) else None
        if inbound is not None:
            inbound.cancelled = params
            inbound.scope.cancel()

    async def _answer(self, inbound: Inbound) -> None:
        frame: Frame = {"jsonrpc": "2.0", "id": inbound.id}
        try:
            with inbound.scope:
                try:
                    frame["result"] = await self._handler.on_request(inbound)
                except RpcError as error:
                    frame["error"] = error.error
        finally:
            if self._inbound.get(inbound.id) is inbound:
                del self._inbound[inbound.id]
        # A cancelled request is not answered (specification, "Cancellation").
        if not inbound.scope.cancelled_caught and self.reads_for > 0:
            self.link.send(frame)
            await self.link.drain()


def _message(method: str, params: Json | None, number: Id | None = None) -> Frame:
    message: dict[str, Any] = {"jsonrpc": "2.0"}
    if number is not None:
        message["id"] = number
    message["method"] = method
    if params is not None:
        message["params"] = params
    return message
