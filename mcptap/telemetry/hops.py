"""The CLIENT side: a span around every message that goes to the real server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from opentelemetry.context import Context, get_current

from mcptap.exchange import Backend, BackendSession, Exchange, Session, asked_for
from mcptap.model import Json, Target
from mcptap.telemetry import conventions as names
from mcptap.telemetry.metrics import Durations
from mcptap.telemetry.operation import (
    MOST_KNOWN,
    SUCCESS,
    Attribute,
    Operation,
    connection_attributes,
    operation_of,
    server_of,
)
from mcptap.telemetry.span import CLIENT, Span, given_up
from mcptap.telemetry.telemetry import Telemetry, agree, version_of


class TracedHop:
    """A backend, each of whose messages is a CLIENT span with its context in the ``_meta``.

    Args:
        backend: Asks the real server.
        telemetry: Where spans and metrics go.
        target: The real server.

    Attributes:
        telemetry: Where spans and metrics go.
        transport: How the real server is reached, and
        server: where, if it has an address.
        onwards: What operations of clients are on their way to the server.
    """

    def __init__(self, backend: Backend, telemetry: Telemetry, target: Target | None) -> None:
        self._backend = backend
        self.telemetry = telemetry
        self.transport = "memory" if target is None else target.transport
        self.server = server_of(target)
        self.onwards: dict[Operation, Operation] = {}

    @contextlib.asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[BackendSession]:
        """Open a session; see `Backend.session`."""
        instruments = self.telemetry.instruments
        histogram = None if instruments is None else instruments.client_session
        async with (
            _measured(histogram, session, lambda: self.attributes(session)),
            self._backend.session(session) as inner,
        ):
            yield _TracedSession(self, session, inner)

    def operation(self, session: Session, method: str, params: Json | None) -> Operation:
        """A request or notification on its way to the server, as the conventions describe it."""
        version = version_of(session, params)
        return operation_of(method, params, version, self.transport, None, self.server)

    def onward(self, exchange: Exchange) -> Operation:
        """A request on its way to the server; the next of the same operation is found in ``onwards``."""
        found, asked = self.operation(exchange.session, exchange.method, exchange.params), exchange.operation
        if isinstance(asked, Operation) and asked.name == found.name:
            if len(self.onwards) >= MOST_KNOWN:
                self.onwards.clear()
            self.onwards[asked] = found
        return found

    def attributes(self, session: Session) -> dict[str, Attribute]:
        """The way to the server, as the conventions describe it."""
        return connection_attributes(session.version, self.transport, None, self.server)


@dataclass(slots=True, eq=False)
class _TracedSession:
    hop: TracedHop
    session: Session
    inner: BackendSession

    async def request(self, exchange: Exchange) -> Json:
        """Ask the server inside a span."""
        hop, params = self.hop, exchange.params
        telemetry = hop.telemetry
        above: Span | None = exchange.span  # type: ignore[assignment]
        asked: Operation | None = exchange.operation  # type: ignore[assignment]
        operation = None if asked is None else hop.onwards.get(asked)
        if operation is None or (operation.named and (not params or params.get("name") != operation.name)):
            operation = hop.onward(exchange)
        begin = telemetry.begin  # to call it right there, Python would look for a method first
        exchange.hop = span = begin(CLIENT, operation, params, _around(telemetry) if above is None else above)
        if telemetry.tracing is not None:
            exchange.params = telemetry.propagation.with_span(params, span)
        try:
            try:
                result = await self.inner.request(exchange)
            finally:
                exchange.params = params
                span.request_id = exchange.sent_as
                if exchange.sent_in is not None:
                    span.attributes[names.SESSION_ID] = exchange.sent_in
        except BaseException as error:
            span.raised(error, given_up(exchange))
            raise
        if exchange.method == "initialize":
            agree(exchange.session, result)
            span.operation = hop.operation(exchange.session, exchange.method, params)
        span.end(SUCCESS, result)
        return result

    async def notify(self, method: str, params: Json | None) -> None:
        """Pass a notification on inside a span."""
        operation, telemetry = self.hop.operation(self.session, method, params), self.hop.telemetry
        span = telemetry.begin(CLIENT, operation, params, _around(telemetry))
        if telemetry.tracing is not None:
            params = telemetry.propagation.with_span(params, span)
        try:
            await self.inner.notify(method, params)
        except BaseException as error:
            span.raised(error, "disconnected")
            raise
        span.end()


def _around(telemetry: Telemetry) -> Context | Span:
    """What is around that which goes to the server without being a client's request."""
    exchange = None if telemetry.ambient else asked_for.get()
    span: Span | None = None if exchange is None else exchange.span  # type: ignore[assignment]
    return get_current() if span is None else span


class MeasuredSessions:
    """A backend whose sessions are measured as their clients see them.

    Args:
        backend: The backend.
        telemetry: Where metrics go.
    """

    def __init__(self, backend: Backend, telemetry: Telemetry) -> None:
        self._backend = backend
        self._telemetry = telemetry

    @contextlib.asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[BackendSession]:
        """Open a session; see `Backend.session`."""
        instruments = self._telemetry.instruments
        histogram = None if instruments is None else instruments.server_session

        def attributes() -> dict[str, Attribute]:
            return connection_attributes(session.version, session.transport)

        async with _measured(histogram, session, attributes), self._backend.session(session) as opened:
            yield opened


@contextlib.asynccontextmanager
async def _measured(
    histogram: Durations | None, session: Session, attributes: Callable[[], dict[str, Attribute]]
) -> AsyncIterator[None]:
    """Record how long a session lasts; a stateless client of the modern era has none over HTTP."""
    started = time.perf_counter()
    failure: dict[str, Attribute] = {}
    try:
        yield
    except Exception as error:
        failure[names.ERROR_TYPE] = type(error).__qualname__
        raise
    finally:
        if histogram is not None and not (session.era == "modern" and session.transport == "http"):
            seconds = time.perf_counter() - started
            histogram.record(seconds, Operation("session", "session", attributes() | failure))
