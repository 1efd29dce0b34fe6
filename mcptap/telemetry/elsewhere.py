"""Telemetry of a FastMCP server that is no tap, in the place of FastMCP's own spans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from fastmcp.telemetry import suppress_fastmcp_telemetry
from mcp.server.context import CallNext, ServerRequestContext
from starlette.requests import Request

from mcptap.exchange import Exchange, Session
from mcptap.model import Json
from mcptap.protocol import META

if TYPE_CHECKING:
    from mcptap.telemetry.span import Span
    from mcptap.telemetry.spans import Scene

T = TypeVar("T")


async def around_request(
    exchange: Exchange,
    request: Request | None,
    answer: Callable[[], Awaitable[T]],
    to_wire: Callable[[T], Json],
) -> T:
    """Answer a request inside a span of the application's tracer, if it has one."""
    scene = _scene()
    if scene is None:
        return await answer()
    from mcptap.telemetry.spans import trace_request  # noqa: PLC0415 - only if it is on

    with suppress_fastmcp_telemetry():
        return await trace_request(scene, exchange, request, answer, to_wire)


async def around_notification(
    context: ServerRequestContext[Any, Any], session: Session, call_next: CallNext
) -> Any:
    """Take a notification inside a span of the application's tracer, if it has one."""
    scene = _scene()
    if scene is None:
        return await call_next(context)
    from mcptap.telemetry.spans import trace_notification  # noqa: PLC0415 - only if it is on

    with suppress_fastmcp_telemetry():
        return await trace_notification(
            scene, session, context.method, context.params, context.request, lambda: call_next(context)
        )


def within_span(
    context: ServerRequestContext[Any, Any], exchange: Exchange
) -> ServerRequestContext[Any, Any]:
    """The context for the server's handlers: FastMCP parents their spans to what ``_meta`` carries."""
    if exchange.span is None:
        return context
    span: Span = exchange.span  # type: ignore[assignment]
    params = span.telemetry.propagation.with_span(context.params, span)
    return replace(context, params=params, meta=(params or {}).get(META))


def _scene() -> Scene | None:
    from mcptap.telemetry.telemetry import of_application  # noqa: PLC0415 - not before it runs

    telemetry = of_application()
    if not telemetry.on:
        return None
    from mcptap.telemetry.spans import Scene  # noqa: PLC0415 - only if it is on

    return Scene(telemetry)
