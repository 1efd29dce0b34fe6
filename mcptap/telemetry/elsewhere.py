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
from mcptap.recorder import Recorder

if TYPE_CHECKING:
    from mcptap.telemetry.span import Span
    from mcptap.telemetry.spans import Scene
    from mcptap.telemetry.telemetry import Telemetry

T = TypeVar("T")


class Elsewhere:
    """Traces the messages of FastMCP servers that are no taps, where the application has providers.

    Args:
        recorder: Records them; what takes its secrets out takes them out of the spans too.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._application: Telemetry | None = None
        self._scene: Scene | None = None

    async def around_request(
        self,
        exchange: Exchange,
        request: Request | None,
        answer: Callable[[], Awaitable[T]],
        to_wire: Callable[[T], Json],
    ) -> T:
        """Answer a request inside a span of the application's tracer, if it has one."""
        scene = self._find_scene()
        if scene is None:
            return await answer()
        from mcptap.telemetry.spans import trace_request  # noqa: PLC0415 - only if it is on

        with suppress_fastmcp_telemetry():
            return await trace_request(scene, to_wire, exchange, request, answer)

    async def around_notification(
        self, context: ServerRequestContext[Any, Any], session: Session, call_next: CallNext
    ) -> Any:
        """Take a notification inside a span of the application's tracer, if it has one."""
        scene = self._find_scene()
        if scene is None:
            return await call_next(context)
        from mcptap.telemetry.spans import trace_notification  # noqa: PLC0415 - only if it is on

        with suppress_fastmcp_telemetry():
            return await trace_notification(
                scene, session, context.method, context.params, context.request, lambda: call_next(context)
            )

    def _find_scene(self) -> Scene | None:
        from mcptap.telemetry.telemetry import of_application  # noqa: PLC0415 - not before it runs

        application = of_application()
        if application is not self._application:  # it sets its providers when it likes
            self._application = application
            self._scene = _scene_of(application, self._recorder) if application.on else None
        return self._scene


def within_span(
    context: ServerRequestContext[Any, Any], exchange: Exchange
) -> ServerRequestContext[Any, Any]:
    """The context for the server's handlers: FastMCP parents their spans to what ``_meta`` carries."""
    if exchange.span is None:
        return context
    span: Span = exchange.span  # type: ignore[assignment]
    params = span.telemetry.propagation.with_span(context.params, span)
    return replace(context, params=params, meta=(params or {}).get(META))


def _scene_of(application: Telemetry, recorder: Recorder) -> Scene:
    from mcptap.telemetry.content import redact_by  # noqa: PLC0415 - only if it is on
    from mcptap.telemetry.spans import Scene  # noqa: PLC0415

    if application.instruments is not None:
        application.instruments.watch_recorder(recorder)
    telemetry = replace(application, redact=redact_by([recorder.redactor], None))
    return Scene(telemetry, recorded_to=recorder.path)
