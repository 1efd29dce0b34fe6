"""What is said to the client: events inside a request, spans of their own for what waits for an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from opentelemetry.context import Context, attach, detach, get_current

from mcptap.exchange import Channel, Exchange, Session, given_id, passed_on_id
from mcptap.model import Json
from mcptap.protocol import STREAM_CLOSED, meta_of
from mcptap.telemetry import content
from mcptap.telemetry import conventions as names
from mcptap.telemetry.operation import WITH_URI, Attribute, Operation, operation_of, uri_of
from mcptap.telemetry.quiet import quiet
from mcptap.telemetry.span import CLIENT, SERVER, Span
from mcptap.telemetry.telemetry import Telemetry, version_of

_Send: TypeAlias = Callable[[str, Json | None], Awaitable[Json | None]]


@dataclass(slots=True, eq=False)
class TracedChannel:
    """A request's channel: its notifications are events of the request's span.

    Attributes:
        channel: The channel.
        exchange: The request.
        span: Its span.
    """

    channel: Channel
    exchange: Exchange
    span: Span

    async def notify(self, method: str, params: Json | None) -> None:
        """Send a notification; see `Channel.notify`."""
        if method != STREAM_CLOSED:
            self.span.event(method, _event_attributes(self.span.telemetry, method, params))
        await self.channel.notify(method, params)

    async def ask(self, method: str, params: Json | None) -> Json:
        """Send a request; see `Channel.ask`."""
        hop: Span | None = self.exchange.hop  # type: ignore[assignment]
        around, session = (hop or self.span).within(), self.exchange.session
        version = version_of(session, self.exchange.params)
        operation = operation_of(method, params, version, session.transport)
        # What a real server asks has come over a hop of its own; not so what a recording or a bridge asks.
        relayed = hop is not None
        return await _say(self.span.telemetry, operation, params, around, self.channel.ask, relayed=relayed)


@dataclass(slots=True, eq=False)
class TracedSession:
    """A session's channel, where a notification has no other span to be an event of.

    Attributes:
        channel: The channel.
        telemetry: Where spans go.
        session: The session.
        relayed: Whether what is said comes from a real server.
    """

    channel: Channel
    telemetry: Telemetry
    session: Session
    relayed: bool

    async def notify(self, method: str, params: Json | None) -> None:
        """Send a notification; see `Channel.notify`."""
        await self._say(method, params, self.channel.notify)

    async def ask(self, method: str, params: Json | None) -> Json:
        """Send a request; see `Channel.ask`."""
        return await self._say(method, params, self.channel.ask)

    async def _say(self, method: str, params: Json | None, send: _Send) -> Json:
        operation = operation_of(method, params, self.session.version, self.session.transport)
        return await _say(self.telemetry, operation, params, get_current(), send, relayed=self.relayed)


async def _say(
    telemetry: Telemetry,
    operation: Operation,
    params: Json | None,
    around: Context,
    send: _Send,
    *,
    relayed: bool,
) -> Json:
    """Send something to the client: a CLIENT span, in a SERVER span where it has come from a server."""
    parent, links = telemetry.propagation.parent_of(meta_of(params), None, around)
    arrived = None
    if relayed:
        arrived = telemetry.begin(SERVER, operation, params, parent, links, None, passed_on_id.get())
        parent, links = arrived.within(), ()
    sent = telemetry.begin(CLIENT, operation, params, parent, links)
    given_id.set(None)
    # The SDK's dispatcher would open a span of its own around a request.
    token = attach(quiet(sent.within()))
    try:
        given = params if telemetry.tracing is None else telemetry.propagation.with_span(params, sent)
        answer = await send(operation.method, given) or {}
    except BaseException as error:
        _tell(sent)
        sent.raised(error, "cancelled")
        if arrived is not None:
            arrived.raised(error, "cancelled")
        raise
    finally:
        detach(token)
    _tell(sent)
    sent.end(result=answer)
    if arrived is not None:
        arrived.end(result=answer)
    return answer


def _tell(sent: Span) -> None:
    """Say in its span what a request was sent as."""
    sent.request_id = given_id.get()


def _event_attributes(telemetry: Telemetry, method: str, params: Json | None) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {names.METHOD: method}
    if method in WITH_URI and (uri := uri_of(params)) is not None:
        attributes[names.RESOURCE_URI] = content.redacted_text(telemetry.redact, "uri", uri)
    return attributes
