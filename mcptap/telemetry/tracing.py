"""What mcptap needs of a tracer, and an application's own tracer as one (`direct` is mcptap's)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    Tracer,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace import Span as ApiSpan

from mcptap.telemetry.operation import Attribute, Attributes

UNSET = Status()


class Span(Protocol):
    """A span that is open.

    Attributes:
        context: What names it.
        recording: Whether anybody will see it.
        attributes: Further attributes; they are taken when it ends.
    """

    context: SpanContext
    recording: bool
    attributes: dict[str, Attribute]

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""

    def within(self) -> Context:
        """The context of what is done inside it: the span itself, and the baggage that it came with."""

    def event(self, name: str, attributes: Attributes) -> None:
        """Note that something happened in it now."""

    def link(self, context: SpanContext) -> None:
        """Link it to another span."""

    def end(self, status: Status = UNSET) -> None:
        """End it now."""


class Tracing(Protocol):
    """Opens spans."""

    def start(
        self,
        name: str,
        kind: SpanKind,
        parent: Context,
        attributes: dict[str, Attribute],
        links: Sequence[SpanContext] = (),
    ) -> Span:
        """Open a span now.

        Args:
            name: Its name.
            kind: Its kind.
            parent: The context that it is opened in.
            attributes: What is known of it; the span keeps the dict.
            links: The spans that it is linked to.
        """


class NamedSpan:
    """What all spans have."""

    __slots__ = ("context",)

    context: SpanContext

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return format_trace_id(self.context.trace_id)

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""
        return format_span_id(self.context.span_id)


class ApplicationTracing:
    """Opens spans of an application's own tracer provider.

    Args:
        tracer: Its tracer.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start(
        self,
        name: str,
        kind: SpanKind,
        parent: Context,
        attributes: dict[str, Attribute],
        links: Sequence[SpanContext] = (),
    ) -> Span:
        """Open a span; see `Tracing.start`."""
        span = self._tracer.start_span(
            name, parent, kind, attributes, [Link(context) for context in links] or None
        )
        return _ApplicationSpan(span, parent)


class _ApplicationSpan(NamedSpan):
    def __init__(self, span: ApiSpan, parent: Context) -> None:
        self._span = span
        self._parent = parent
        self.context = span.get_span_context()
        self.recording = span.is_recording()
        self.attributes: dict[str, Attribute] = {}

    def within(self) -> Context:
        return set_span_in_context(self._span, self._parent)

    def event(self, name: str, attributes: Attributes) -> None:
        self._span.add_event(name, attributes)

    def link(self, context: SpanContext) -> None:
        self._span.add_link(context)

    def end(self, status: Status = UNSET) -> None:
        self._span.set_attributes(self.attributes)
        if status is not UNSET:
            self._span.set_status(status)
        self._span.end()
