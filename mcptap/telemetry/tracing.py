"""What mcptap needs of a tracer, and an application's own tracer as one (`direct` is mcptap's)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    Tracer,
    TraceState,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace import Span as ApiSpan

from mcptap.telemetry.operation import Attribute, Attributes, Operation

UNSET: Final = Status()
# Looked up once: Python finds a member of an enum by way of a descriptor.
SERVER: Final = SpanKind.SERVER
CLIENT: Final = SpanKind.CLIENT


class Span(Protocol):
    """A span that is open.

    Attributes:
        operation: Its name and the attributes that it shares with others, as they are known by its end.
        around: The context that it was opened in.
        recording: Whether anybody will see it.
        attributes: Further attributes; they are taken when it ends.
    """

    operation: Operation
    around: Context
    recording: bool
    attributes: dict[str, Attribute]

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""

    @property
    def traceparent(self) -> str:
        """How it is named to others (W3C Trace Context, section 3.2)."""

    @property
    def trace_state(self) -> TraceState | None:
        """What vendors have said of its trace."""

    def within(self) -> Context:
        """The context of what is done inside it: the span itself, and the baggage that it came with."""

    def event(self, name: str, attributes: Attributes) -> None:
        """Note that something happened in it now."""

    def link(self, context: SpanContext) -> None:
        """Link it to another span."""

    def end(self, status: Status = UNSET) -> None:
        """End it now."""


class Tracing(Protocol):
    """Opens spans.

    Attributes:
        ambient: Whether others open spans inside of them, by the context of their task.
    """

    ambient: ClassVar[bool]

    def start(
        self,
        operation: Operation,
        kind: SpanKind,
        parent: Context | Span,
        attributes: dict[str, Attribute],
        links: Sequence[SpanContext] = (),
    ) -> Span:
        """Open a span now.

        Args:
            operation: Its name, and the attributes that it shares with others.
            kind: Its kind.
            parent: The span that it is opened in, or the context.
            attributes: What is known of it alone; the span keeps the dict.
            links: The spans that it is linked to.
        """


class ApplicationTracing:
    """Opens spans of an application's own tracer provider.

    Args:
        tracer: Its tracer.
    """

    ambient: ClassVar[bool] = True

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start(
        self,
        operation: Operation,
        kind: SpanKind,
        parent: Context | Span,
        attributes: dict[str, Attribute],
        links: Sequence[SpanContext] = (),
    ) -> Span:
        """Open a span; see `Tracing.start`."""
        around = parent if isinstance(parent, Context) else parent.within()
        span = self._tracer.start_span(
            operation.span_name,
            around,
            kind,
            {**operation.attributes, **attributes},
            [Link(context) for context in links] or None,
        )
        return _ApplicationSpan(span, operation, around)


class _ApplicationSpan:
    def __init__(self, span: ApiSpan, operation: Operation, parent: Context) -> None:
        self._span = span
        self._begun_as = self.operation = operation
        self._context = span.get_span_context()
        self.around = parent
        self.recording = span.is_recording()
        self.attributes: dict[str, Attribute] = {}

    @property
    def trace_id(self) -> str:
        return format_trace_id(self._context.trace_id)

    @property
    def span_id(self) -> str:
        return format_span_id(self._context.span_id)

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self._context.trace_flags:02x}"

    @property
    def trace_state(self) -> TraceState | None:
        return self._context.trace_state

    def within(self) -> Context:
        return set_span_in_context(self._span, self.around)

    def event(self, name: str, attributes: Attributes) -> None:
        self._span.add_event(name, attributes)

    def link(self, context: SpanContext) -> None:
        self._span.add_link(context)

    def end(self, status: Status = UNSET) -> None:
        if self.operation is not self._begun_as:
            self._span.set_attributes(self.operation.attributes)
        self._span.set_attributes(self.attributes)
        if status is not UNSET:
            self._span.set_status(status)
        self._span.end()
