"""The CLIENT side: a span around every message that goes to the real server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from opentelemetry.context import get_current

from mcptap.exchange import Backend, BackendSession, Exchange, Session
from mcptap.model import Json, Target
from mcptap.telemetry import conventions as names
from mcptap.telemetry.context import with_span
from mcptap.telemetry.metrics import Durations
from mcptap.telemetry.operation import Attribute, Connection, Operation, connection_attributes, server_of
from mcptap.telemetry.telemetry import Telemetry
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
            _measured(histogram, session, lambda: self.connection(session, None)),
            self._backend.session(session) as inner,
        ):
            yield _TracedSession(self, session, inner)

    def connection(self, session: Session, params: Json | None) -> Connection:
        """The way to the server, as the conventions describe it."""
        version = self.telemetry.version_of(session, params)
        return Connection(version, self._transport, server=self._server)


@dataclass(slots=True, eq=False)
class _TracedSession:
    hop: TracedHop
    session: Session
    inner: BackendSession

    async def request(self, exchange: Exchange) -> Json:
        """Ask the server inside a span."""
        telemetry, params = self.hop.telemetry, exchange.params
        above: Span | None = exchange.span  # type: ignore[assignment]
        traced = Traced(
            telemetry, CLIENT, exchange.method, params, self.hop.connection(exchange.session, params),
            parent=get_current() if above is None else above,
        )  # fmt: skip
        if traced.span is not None:
            exchange.notes["hop"] = traced.span
            exchange.params = with_span(params, traced.span)
        try:
            result = await self.inner.request(exchange)
        except BaseException as error:
            traced.raised(error, given_up(exchange), _sent(exchange))
            raise
        finally:
            exchange.params = params
        if exchange.method == "initialize":
            telemetry.agreed(exchange.session, result)
            traced.agreed(telemetry.version_of(exchange.session, None))
        traced.answered(result, _sent(exchange))
        return result

    async def notify(self, method: str, params: Json | None) -> None:
        """Pass a notification on inside a span."""
        connection = self.hop.connection(self.session, params)
        traced = Traced(self.hop.telemetry, CLIENT, method, params, connection, parent=get_current())
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

        def connection() -> Connection:
            return Connection(self._telemetry.version_of(session, None), session.transport)

        async with _measured(histogram, session, connection), self._backend.session(session) as opened:
            yield opened


@contextlib.asynccontextmanager
async def _measured(
    histogram: Durations | None, session: Session, connection: Callable[[], Connection]
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
            histogram.record(seconds, Operation("session", connection_attributes(connection()) | failure))


def _sent(exchange: Exchange) -> dict[str, Attribute]:
    """What is known of a request once it has been sent."""
    sent: dict[str, Attribute] = {}
    if exchange.sent_as is not None:
        sent[names.REQUEST_ID] = str(exchange.sent_as)
    if exchange.sent_in is not None:
        sent[names.SESSION_ID] = exchange.sent_in
    return sent
