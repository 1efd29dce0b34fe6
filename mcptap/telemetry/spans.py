"""The SERVER side: a span around every message that reaches the tap."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from opentelemetry.context import attach, detach
from starlette.requests import Request

from mcptap.exchange import Exchange, Session
from mcptap.model import Json
from mcptap.player import Hit
from mcptap.tap.channel import as_result
from mcptap.tap.hop import TapContext
from mcptap.telemetry import conventions as names
from mcptap.telemetry.channel import TracedChannel, TracedSession
from mcptap.telemetry.context import parent_of, recorded_span
from mcptap.telemetry.operation import Attribute, Connection
from mcptap.telemetry.telemetry import Telemetry
from mcptap.telemetry.traced import Traced, given_up
from mcptap.telemetry.tracing import SERVER, Span

T = TypeVar("T")
_SESSION_HEADER = "mcp-session-id"


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


class TelemetryMiddleware(Middleware):
    """Opens a span around every message of a tap.

    Args:
        scene: What they have in common.
    """

    wants_fastmcp_context = False

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    async def __call__(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Trace one message."""
        if not isinstance(context, TapContext):
            return await call_next(context)
        if context.exchange is not None:
            return await trace_request(
                self._scene, context.exchange, context.request, lambda: call_next(context), as_result
            )
        params = context.message or None
        return await trace_notification(
            self._scene,
            context.session,
            str(context.method),
            params,
            context.request,
            lambda: call_next(context),
        )


async def trace_request(
    scene: Scene,
    exchange: Exchange,
    request: Request | None,
    answer: Callable[[], Awaitable[T]],
    to_wire: Callable[[T], Json],
) -> T:
    """Answer a request inside a span.

    Args:
        scene: What all requests have in common.
        exchange: The request; what it says to the client becomes part of the span.
        request: The HTTP request that it came with.
        answer: Gives the answer.
        to_wire: Gives the wire form of that.
    """
    telemetry, session = scene.telemetry, exchange.session
    _hear(scene, session)
    parent, links = parent_of(exchange.params, request.headers if request is not None else None)
    traced = Traced(
        telemetry,
        SERVER,
        exchange.method,
        exchange.params,
        _connection(telemetry, session, exchange.params, request),
        parent=parent,
        links=links,
        request_id=exchange.id,
        more=_client(request),
    )
    token = None
    if traced.span is not None:
        exchange.span = traced.span
        if telemetry.tracing is not None and telemetry.tracing.ambient:
            token = attach(traced.span.within())
    channel = exchange.channel
    exchange.channel = TracedChannel(channel, telemetry, exchange, traced, scene.relayed)
    try:
        result = await answer()
    except BaseException as error:
        if exchange.cancelled() is not None and traced.span is not None:
            traced.span.event("notifications/cancelled", {names.METHOD: "notifications/cancelled"})
        traced.raised(error, given_up(exchange), _findings(scene, exchange, traced))
        raise
    finally:
        exchange.channel = channel  # else request and channel would hold each other until a collection
        if token is not None:
            detach(token)
    wire = to_wire(result)
    if exchange.method == "initialize":
        telemetry.agreed(session, wire)
        traced.agreed(telemetry.version_of(session, None))
    traced.answered(wire, _findings(scene, exchange, traced))
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
    _hear(scene, session)
    parent, links = parent_of(params, request.headers if request is not None else None)
    connection = _connection(scene.telemetry, session, params, request)
    traced = Traced(
        scene.telemetry, SERVER, method, params, connection,
        parent=parent, links=links, more=_client(request),
    )  # fmt: skip
    token = attach(parent if traced.span is None else traced.span.within())
    try:
        result = await pass_on()
    except BaseException as error:
        traced.raised(error, "disconnected")
        raise
    finally:
        detach(token)
    traced.end()
    return result


def _hear(scene: Scene, session: Session) -> None:
    """Trace from now on what the server says to this session outside any request."""
    if scene.telemetry not in session.heard_by:
        session.heard_by.add(scene.telemetry)
        session.channel = TracedSession(session.channel, scene.telemetry, session, scene.relayed)


def _connection(
    telemetry: Telemetry, session: Session, params: Json | None, request: Request | None
) -> Connection:
    version = telemetry.version_of(session, params)
    return Connection(version, session.transport, request.scope.get("http_version") if request else None)


def _client(request: Request | None) -> dict[str, Attribute] | None:
    """Who asks, as far as HTTP tells."""
    if request is None:
        return None
    attributes: dict[str, Attribute] = {}
    if request.client is not None:
        attributes[names.CLIENT_ADDRESS] = request.client.host
        attributes[names.CLIENT_PORT] = request.client.port
    if (session_id := request.headers.get(_SESSION_HEADER)) is not None:
        attributes[names.SESSION_ID] = session_id
    return attributes


def _findings(scene: Scene, exchange: Exchange, traced: Traced) -> dict[str, Attribute] | None:
    """What mcptap itself has to say of a request; the span gets a link to the recorded one."""
    span = traced.span
    if span is None or not span.recording:
        return None
    notes = exchange.notes
    own = time.perf_counter() - traced.started
    if exchange.sent_at is not None and exchange.answered_at is not None:
        own = max(0.0, own - (exchange.answered_at - exchange.sent_at))
    found: dict[str, Attribute] = {names.PROXY_DURATION: own}
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
    return found


def _link(span: Span, hit: Hit) -> None:
    recorded = recorded_span(hit.interaction.trace_id, hit.interaction.span_id)
    if recorded is not None:
        span.link(recorded)
