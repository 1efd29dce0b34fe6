"""The spans of an application's own tracer provider (`direct` has mcptap's)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Tracer,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from mcptap.model import Json
from mcptap.telemetry.operation import Attribute, Attributes, Operation
from mcptap.telemetry.span import UNSET, Begin, Span, shown

if TYPE_CHECKING:
    from mcptap.telemetry.telemetry import Telemetry


class ApplicationTracing:
    """Begins spans of an application's own tracer provider (`mcptap.telemetry.span.Tracing`).

    Attributes:
        tracer: Its tracer.
        take: Ends them.
    """

    ambient: ClassVar[bool] = True

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self.take = _ApplicationSpan.close

    def begins(self, telemetry: Telemetry) -> Begin:
        """Give what begins spans; see `mcptap.telemetry.span.Tracing`."""
        return partial(_ApplicationSpan, telemetry)


class _ApplicationSpan(Span):
    __slots__ = ("_flags", "_span", "recording", "span_id", "trace_id", "trace_state")

    def __init__(
        self,
        telemetry: Telemetry,
        kind: SpanKind,
        operation: Operation,
        params: Json | None,
        parent: Context | Span,
        links: Sequence[SpanContext] = (),
        attributes: dict[str, Attribute] | None = None,
        request_id: str | int | None = None,
    ) -> None:
        around = parent.within() if isinstance(parent, Span) else parent
        super().__init__(telemetry, kind, operation, params, around, links, attributes, request_id)
        self.attributes |= shown(telemetry, operation, params)
        tracer = cast("ApplicationTracing", telemetry.tracing).tracer
        links_to = [Link(context) for context in links] or None
        span = tracer.start_span(operation.span_name, around, kind, self.all_attributes(), links_to)
        self._span = span
        self.recording = span.is_recording()
        context = span.get_span_context()
        self.trace_id, self.span_id = format_trace_id(context.trace_id), format_span_id(context.span_id)
        self.trace_state = context.trace_state
        self._flags = context.trace_flags

    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self._flags:02x}"

    def within(self) -> Context:
        return set_span_in_context(self._span, self.around)

    def event(self, name: str, attributes: Attributes) -> None:
        self._span.add_event(name, attributes)

    def link(self, context: SpanContext) -> None:
        self._span.add_link(context)

    def close(self) -> None:
        self._span.set_attributes(self.all_attributes())
        if self.status is not UNSET:
            self._span.set_status(self.status)
        self._span.end()  # when that is, its own clock says
