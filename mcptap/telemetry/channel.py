"""What is said to the client: events inside a request, spans of their own for what waits for an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from opentelemetry.context import Context, attach, detach, get_current

from mcptap.exchange import Channel, Exchange, Session, given_id, passed_on_id
from mcptap.model import Json
from mcptap.protocol import STREAM_CLOSED
from mcptap.telemetry import conventions as names
from mcptap.telemetry.context import parent_of, with_span
from mcptap.telemetry.operation import Attribute, Connection, uri_of
from mcptap.telemetry.quiet import quiet
from mcptap.telemetry.telemetry import Telemetry
from mcptap.telemetry.traced import Traced
from mcptap.telemetry.tracing import CLIENT, SERVER

_Send: TypeAlias = Callable[[str, Json | None], Awaitable[Json | None]]


@dataclass(slots=True, eq=False)
class TracedChannel:
    """A request's channel: its notifications are events of the request's span.

    Attributes:
        channel: The channel.
        telemetry: Where spans go.
        exchange: The request.
        traced: Its span.
        relayed: Whether what is said comes from a real server, which is a hop of its own.
    """

    channel: Channel
    telemetry: Telemetry
    exchange: Exchange
    traced: Traced
    relayed: bool

    async def notify(self, method: str, params: Json | None) -> None:
        """Send a notification; see `Channel.notify`."""
        if self.traced.span is not None and method != STREAM_CLOSED:
            self.traced.span.event(method, _event_attributes(method, params))
        await self.channel.notify(method, params)

    async def ask(self, method: str, params: Json | None) -> Json:
        """Send a request; see `Channel.ask`."""
        span = self.exchange.notes.get("hop") or self.traced.span
        around = get_current() if span is None else span.within()
        session = self.exchange.session
        connection = Connection(self.telemetry.version_of(session, self.exchange.params), session.transport)
        return await _say(
            self.telemetry, method, params, connection, around, self.channel.ask, relayed=self.relayed
        )


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
        connection = Connection(self.telemetry.version_of(self.session, None), self.session.transport)
        return await _say(
            self.telemetry, method, params, connection, get_current(), send, relayed=self.relayed
        )


async def _say(
    telemetry: Telemetry,
    method: str,
    params: Json | None,
    connection: Connection,
    around: Context,
    send: _Send,
    *,
    relayed: bool,
) -> Json:
    """Send something to the client: a CLIENT span, in a SERVER span where it has come from a server."""
    parent, links = parent_of(params, around=around)
    arrived = None
    if relayed:
        arrived = Traced(
            telemetry, SERVER, method, params, connection,
            parent=parent, links=links, request_id=passed_on_id.get(),
        )  # fmt: skip
        if arrived.span is not None:
            parent, links = arrived.span.within(), ()
    sent = Traced(telemetry, CLIENT, method, params, connection, parent=parent, links=links)
    inside = parent if sent.span is None else sent.span.within()
    given_id.set(None)
    # The SDK's dispatcher would open a span of its own around a request.
    token = attach(quiet(inside))
    try:
        given = params if sent.span is None else with_span(params, sent.span)
        answer = await send(method, given) or {}
    except BaseException as error:
        sent.raised(error, "cancelled", _given())
        if arrived is not None:
            arrived.raised(error, "cancelled")
        raise
    finally:
        detach(token)
    sent.answered(answer, _given())
    if arrived is not None:
        arrived.answered(answer)
    return answer


def _given() -> dict[str, Attribute]:
    number = given_id.get()
    return {} if number is None else {names.REQUEST_ID: str(number)}


def _event_attributes(method: str, params: Json | None) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {names.METHOD: method}
    if (uri := uri_of(method, params)) is not None:
        attributes[names.RESOURCE_URI] = uri
    return attributes
