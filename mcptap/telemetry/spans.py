"""The SERVER side: a span around every message that reaches the tap."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import SpanContext
from starlette.requests import Request

from mcptap.exchange import Exchange, Session
from mcptap.model import Json
from mcptap.player import Hit
from mcptap.protocol import META, VERSION_META
from mcptap.tap.channel import as_result
from mcptap.telemetry import conventions as names
from mcptap.telemetry.channel import TracedChannel, TracedSession
from mcptap.telemetry.context import recorded_span
from mcptap.telemetry.operation import NOTHING, SUCCESS, Attribute, operation_of
from mcptap.telemetry.span import SERVER, Span, given_up
from mcptap.telemetry.telemetry import Telemetry, agree

T = TypeVar("T")
_SESSION_HEADER = "mcp-session-id"
_NOTHING_AROUND = Context()
"""Where only mcptap begins spans, none is around what a client sends."""
_NEW = TracedChannel.__new__
"""To have the class make it would take as long as all else of a channel."""
_NO_LINKS: Sequence[SpanContext] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """What all requests of one tap have in common.

    Attributes:
        telemetry: Where spans and metrics go.
        relayed: Whether a real server answers, so that what it says is passed on.
        recorded_to: The cassette that is being recorded.
        replayed_from: The cassettes that are being replayed.
    """

    telemetry: Telemetry
    relayed: bool = False
    recorded_to: Path | None = None
    replayed_from: Sequence[Path] = ()


class ClientSpans:
    """A span around everything that the clients of a tap send (`mcptap.tap.hop.Observe`).

    Args:
        scene: What they have in common.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.request = partial(trace_request, scene, as_result)

    def notification(
        self,
        session: Session,
        method: str,
        params: Json | None,
        request: Request | None,
        pass_on: Callable[[], Awaitable[None]],
    ) -> Awaitable[None]:
        """Pass a notification on inside a span; see `trace_notification`."""
        return trace_notification(self._scene, session, method, params, request, pass_on)


async def trace_request(
    scene: Scene,
    to_wire: Callable[[T], Json],
    exchange: Exchange,
    request: Request | None,
    answer: Callable[[], Awaitable[T]],
) -> T:
    """Answer a request inside a span.

    Args:
        scene: What all requests have in common.
        to_wire: Gives the wire form of an answer.
        exchange: The request; what it says to the client becomes part of the span.
        request: The HTTP request that it came with.
        answer: Gives the answer.
    """
    session, channel = exchange.session, exchange.channel
    span = _begin(scene, session, exchange.method, exchange.params, request, exchange.id)
    exchange.operation = span.operation
    if scene.telemetry.tracing is not None:
        exchange.span = span
    token = attach(span.within()) if scene.telemetry.ambient else None
    exchange.channel = traced = _NEW(TracedChannel)
    traced.channel, traced.exchange, traced.span = channel, exchange, span
    try:
        try:
            result = await answer()
        finally:
            exchange.channel = channel  # else request and channel would hold each other until a collection
            if token is not None:
                detach(token)
            elsewhere, sent, answered = exchange.waited, exchange.sent_at, exchange.answered_at
            if sent is not None:
                elsewhere += (perf_counter() if answered is None else answered) - sent
            span.elsewhere = elsewhere
            if exchange.notes:
                _tell_notes(scene, exchange.notes, span)
    except BaseException as error:
        if exchange.cancelled() is not None:
            span.event("notifications/cancelled", {names.METHOD: "notifications/cancelled"})
        span.raised(error, given_up(exchange))
        raise
    wire: Json = result if isinstance(result, dict) else to_wire(result)
    if exchange.method == "initialize":
        agree(session, wire)
        http_version = None if request is None else request.scope.get("http_version")
        span.operation = operation_of(
            "initialize", exchange.params, session.version, session.transport, http_version
        )
    span.end(SUCCESS, wire)
    return result


async def trace_notification(
    scene: Scene,
    session: Session,
    method: str,
    params: Json | None,
    request: Request | None,
    pass_on: Callable[[], Awaitable[T]],
) -> T:
    """Pass a client's notification on inside a span."""
    span = _begin(scene, session, method, params, request)
    token = attach(span.within())
    try:
        result = await pass_on()
    except BaseException as error:
        span.raised(error, "disconnected")
        raise
    finally:
        detach(token)
    span.end()
    return result


def _begin(
    scene: Scene,
    session: Session,
    method: str,
    params: Json | None,
    request: Request | None,
    number: str | int | None = None,
) -> Span:
    """Begin the span of what a client has sent; ``number`` is its JSON-RPC id."""
    telemetry = scene.telemetry
    if telemetry not in session.heard_by:
        _hear(scene, session)
    meta = params.get(META) if params else None
    if not isinstance(meta, dict):
        meta = NOTHING
    version = session.version if session.era == "handshake" else meta.get(VERSION_META)
    parent, links = get_current() if telemetry.ambient else _NOTHING_AROUND, _NO_LINKS
    if request is None:
        if not telemetry.propagation.fields.isdisjoint(meta):
            parent, links = telemetry.propagation.parent_of(meta, None, parent)
        operation = operation_of(method, params, version, session.transport)
        about = None if session.address is None else _address(*session.address)
    else:
        parent, links = telemetry.propagation.parent_of(meta, request.headers, parent)
        http_version = request.scope.get("http_version")
        operation = operation_of(method, params, version, session.transport, http_version)
        about = _client(request)
    begin = telemetry.begin  # to call it right there, Python would look for a method first
    return begin(SERVER, operation, params, parent, links, about, number)


def _hear(scene: Scene, session: Session) -> None:
    """Trace from now on what the server says to this session outside any request."""
    session.heard_by.add(scene.telemetry)
    session.channel = TracedSession(session.channel, scene.telemetry, session, scene.relayed)


def _client(request: Request) -> dict[str, Attribute]:
    """Who asks, as far as HTTP tells."""
    attributes = {} if request.client is None else _address(*request.client)
    if (session_id := request.headers.get(_SESSION_HEADER)) is not None:
        attributes[names.SESSION_ID] = session_id
    return attributes


def _address(host: str, port: int) -> dict[str, Attribute]:
    return {names.CLIENT_ADDRESS: host, names.CLIENT_PORT: port}


def _tell_notes(scene: Scene, notes: Mapping[str, Any], span: Span) -> None:
    """Say in its span what mcptap has to say of a request; the span gets a link to the recorded one."""
    found = span.attributes
    if "seq" in notes and scene.recorded_to is not None:
        found[names.CASSETTE], found[names.SEQ] = str(scene.recorded_to), notes["seq"]
    hit = notes.get("replayed")
    if isinstance(hit, Hit):
        found[names.CASSETTE] = str(scene.replayed_from[hit.entry.file])
        found[names.SEQ] = hit.interaction.seq
        found[names.REPLAYED], found[names.MATCH] = True, "repeat" if hit.repeat else "hit"
        _link(span, hit)
    if "miss" in notes:
        found[names.REPLAYED], found[names.MATCH] = False, "miss"
    if "gap" in notes:
        found[names.GAP] = True


def _link(span: Span, hit: Hit) -> None:
    recorded = recorded_span(hit.interaction.trace_id, hit.interaction.span_id)
    if recorded is not None:
        span.link(recorded)
