"""The CLIENT side: a span around every message that goes to the real server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from opentelemetry.context import get_current

from mcptap.exchange import Backend, BackendSession, Exchange, Session
from mcptap.model import Json, Target
from mcptap.protocol import meta_of
from mcptap.telemetry import conventions as names
from mcptap.telemetry.context import with_span
from mcptap.telemetry.metrics import Durations
from mcptap.telemetry.operation import Attribute, Operation, connection_attributes, operation_of, server_of
from mcptap.telemetry.telemetry import Telemetry, agree, version_of
from mcptap.telemetry.traced import Traced, given_up
from mcptap.telemetry.tracing import CLIENT, Span


class TracedHop:
    """A backend, each of whose messages is a CLIENT span with its context in the ``_meta``.

    Args:
        backend: Asks the real server.
        telemetry: Where spans and metrics go.
        target: The real server.

    Attributes:
        telemetry: Where spans and metrics go.
    """

    def __init__(self, backend: Backend, telemetry: Telemetry, target: Target | None) -> None:
        self._backend = backend
        self.telemetry = telemetry
        self._transport = "memory" if target is None else target.transport
        self._server = server_of(target)

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
        version = version_of(session, meta_of(params))
        return operation_of(method, params, version, self._transport, None, self._server)

    def attributes(self, session: Session) -> dict[str, Attribute]:
        """The way to the server, as the conventions describe it."""
        return connection_attributes(session.version, self._transport, None, self._server)


@dataclass(slots=True, eq=False)
class _TracedSession:
    hop: TracedHop
    session: Session
    inner: BackendSession

    async def request(self, exchange: Exchange) -> Json:
        """Ask the server inside a span."""
        telemetry, params = self.hop.telemetry, exchange.params
        above: Span | None = exchange.span  # type: ignore[assignment]
        operation = self.hop.operation(exchange.session, exchange.method, params)
        traced = Traced(telemetry, CLIENT, operation, params, get_current() if above is None else above)
        if traced.span is not None:
            exchange.hop = traced.span
            exchange.params = with_span(params, traced.span)
        try:
            result = await self.inner.request(exchange)
        except BaseException as error:
            _tell(traced, exchange)
            traced.raised(error, given_up(exchange))
            raise
        finally:
            exchange.params = params
        if exchange.method == "initialize":
            agree(exchange.session, result)
            traced.agreed(self.hop.operation(exchange.session, exchange.method, params))
        _tell(traced, exchange)
        traced.answered(result)
        return result

    async def notify(self, method: str, params: Json | None) -> None:
        """Pass a notification on inside a span."""
        operation = self.hop.operation(self.session, method, params)
        traced = Traced(self.hop.telemetry, CLIENT, operation, params, get_current())
        if traced.span is not None:
            params = with_span(params, traced.span)
        try:
            await self.inner.notify(method, params)
        except BaseException as error:
            traced.raised(error, "disconnected")
            raise
        traced.end()


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


def _tell(traced: Traced, exchange: Exchange) -> None:
    """Say in its span what is known of a request once it has been sent."""
    if (span := traced.span) is None:
        return
    if exchange.sent_as is not None:
        span.attributes[names.REQUEST_ID] = str(exchange.sent_as)
    if exchange.sent_in is not None:
        span.attributes[names.SESSION_ID] = exchange.sent_in
