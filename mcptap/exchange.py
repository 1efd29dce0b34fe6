"""The seam between the front and the backends: one small language for every request.

Recording, telemetry, faults, failover and the era bridge are each written once against it and
combine, because none of them knows what is on the other side.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from mcptap.model import Era, Json

INTERNAL_ERROR = -32603

passed_on_id: ContextVar[str | int | None] = ContextVar("mcptap_passed_on_id", default=None)
"""The server's JSON-RPC id of the request that is being passed on to the client, for telemetry."""

taken_back: ContextVar[Callable[[], Json | None]] = ContextVar("mcptap_taken_back", default=lambda: None)
"""Gives the params of the server's cancel notification, once it takes back the request that is passed on."""

client_address: ContextVar[tuple[str, int] | None] = ContextVar("mcptap_client_address", default=None)
"""The host and port of the client whose connection is served here, where its requests don't name them."""

T = TypeVar("T")
asked_for: ContextVar[Exchange | None] = ContextVar("mcptap_asked_for", default=None)
"""The client's request that needs what the current task asks the server by itself, for telemetry."""

given_id: ContextVar[str | int | None] = ContextVar("mcptap_given_id", default=None)
"""The JSON-RPC id that the current task's last request was sent with, for telemetry."""


class RpcError(Exception):
    """A JSON-RPC error as it stands on the wire.

    Args:
        error: The wire's own ``error`` object, unknown members and all.
    """

    def __init__(self, error: Json) -> None:
        super().__init__(str(error.get("message", "")))
        self.error = error

    @classmethod
    def of(cls, code: int, message: str, data: Any = None) -> RpcError:
        """An error of mcptap's own making; ``data`` is left out where it is ``None``."""
        return cls({"code": code, "message": message} | ({} if data is None else {"data": data}))


class UnansweredError(RpcError):
    """The other side will never answer this request: it went away, or could not be reached.

    Where that is the upstream, the client is told by the error, and a recorder keeps the request as
    ``unanswered``.
    """


class DisconnectedError(RpcError):
    """The client's connection ends in the place of an answer."""


class UnintelligibleError(UnansweredError):
    """The other side is there, and says something that is no JSON-RPC: an HTTP status, a page of HTML."""


class Channel(Protocol):
    """A way to the client: bound to one request, or to the session where there is none."""

    async def notify(self, method: str, params: Json | None) -> None:
        """Send a notification to the client. Never raises for a client that went away."""

    async def ask(self, method: str, params: Json | None) -> Json:
        """Send a request to the client and wait for its answer.

        Raises:
            RpcError: The client answered with an error, or can't be asked.
            UnansweredError: The client went away before it answered.
        """


class SpanIds(Protocol):
    """The span that stands for a request in the trace of its client, as the cassette names it.

    Attributes:
        trace_id: 32 hexadecimal digits, and
        span_id: 16 of them (W3C Trace Context, section 3.2.2).
    """

    @property
    def trace_id(self) -> str: ...  # noqa: D102 - the class says it

    @property
    def span_id(self) -> str: ...  # noqa: D102 - the class says it


@dataclass(slots=True, eq=False, weakref_slot=True)
class Session:
    """One client session.

    Attributes:
        era: The protocol era that the client speaks in it.
        transport: What the client sees: ``stdio``, ``http``, ``sse``, ``ws`` or ``memory``.
        client: The client's ``clientInfo``, as it sent it.
        channel: The way to the client outside any request.
        version: The protocol version that its ``initialize`` has led to, where telemetry is on.
        connection: What the client is connected by; sessions that share it (a probe and the session
            that follows it on one pipe, stateless requests) share the upstream's connection too.
        heard_by: Whose telemetry traces what the client is told outside any request.
        address: The client's host and port, where the connection has them and its requests don't.
    """

    era: Era
    transport: str
    client: Json | None
    channel: Channel
    connection: object = None
    version: str | None = None
    heard_by: set[object] = field(default_factory=set)
    address: tuple[str, int] | None = None

    @property
    def stateless(self) -> bool:
        """Whether the client is reached inside its requests alone, and others share its connection."""
        return self.era == "modern" and self.transport == "http"


@dataclass(slots=True, eq=False)
class Exchange:
    """One request of one client session, on its way to a backend.

    Attributes:
        id: The client's JSON-RPC id of it.
        headers: The protocol's own headers (``mcp-*``), lower-cased names; never credentials.
        channel: The way to the client inside this request.
        sent_at: When a backend sent it upstream (`time.perf_counter`), and
        answered_at: when the answer was there; ``None`` where there was no upstream.
        waited: Seconds that the server was waited for beside that, for what had to be asked before.
        sent_as: The JSON-RPC id that a backend sent it with, and
        sent_in: the upstream's own id of the session, where the transport has such ids.
        cancelled: Gives the params of the client's cancel notification, once it has cancelled.
        span: The span that stands for it, where telemetry is on, and
        hop: the one that stands for its way to the real server, or what is measured of that.
        operation: What telemetry knows it as, where it is a client's own.
        notes: What a backend or a recorder has to say about it, for telemetry: ``hit``, ``repeat``,
            ``miss``, ``replayed`` (the recorded interaction), ``cassette``, ``seq``, ``gap``, ``outcome``
            (why it was recorded as having no answer).
        tolerated: The errors of it that are no trouble, where it finds out what the server speaks.
    """

    session: Session
    method: str
    params: Json | None
    channel: Channel
    id: str | int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    sent_at: float | None = None
    answered_at: float | None = None
    waited: float = 0.0
    sent_as: str | int | None = None
    sent_in: str | None = None
    cancelled: Callable[[], Json | None] = lambda: None
    span: SpanIds | None = None
    hop: SpanIds | None = None
    operation: object = None
    notes: dict[str, Any] = field(default_factory=dict)
    tolerated: type[UnansweredError] | tuple[()] = ()

    def another(
        self,
        session: Session,
        method: str,
        params: Json | None,
        channel: Channel,
        cancelled: Callable[[], Json | None],
    ) -> Exchange:
        """Make another request of this one's client, in the place of this one."""
        return Exchange(
            session,
            method,
            params,
            channel,
            id=self.id,
            cancelled=cancelled,
            span=self.span,
            notes=self.notes,
        )

    def took_as_long_as(self, other: Exchange, since: float = 0.0) -> None:
        """Take over when a request in this one's place was sent, the first time, and answered, the last.

        If it isn't answered yet, nor is this one by the server; and one that was sent before this one was
        there counts from then on, which is ``since``.
        """
        if self.sent_at is None and other.sent_at is not None:
            self.sent_at = max(other.sent_at, since)
        self.answered_at = other.answered_at

    def had_to_wait_for(self, other: Exchange) -> None:
        """Note how long a request took that had to be answered before this one could be."""
        if other.sent_at is not None and other.answered_at is not None:
            self.waited += other.answered_at - other.sent_at

    async def notify(self, method: str, params: Json | None) -> None:
        """Send a notification to the client inside this request (see `Channel.notify`)."""
        await self.channel.notify(method, params)

    async def ask(self, method: str, params: Json | None) -> Json:
        """Ask the client inside this request (see `Channel.ask`)."""
        return await self.channel.ask(method, params)


async def on_behalf_of(exchange: Exchange, asking: Awaitable[T]) -> T:
    """Ask the server for what a client's request needs; see `asked_for`."""
    token = asked_for.set(exchange)
    try:
        return await asking
    finally:
        asked_for.reset(token)


class BackendSession(Protocol):
    """One client session's way to the answers."""

    async def request(self, exchange: Exchange) -> Json:
        """Answer one request with the raw result.

        Raises:
            RpcError: The raw JSON-RPC error.
        """

    async def notify(self, method: str, params: Json | None) -> None:
        """Take a notification from the client."""


class Backend(Protocol):
    """Whatever answers raw requests: the real server, a cassette, or a wrapper around either."""

    def session(self, session: Session) -> AbstractAsyncContextManager[BackendSession]:
        """Open the backend's side of a client session; leaving the context closes it.

        Raises:
            UpstreamError: The real server can't be reached.
        """
