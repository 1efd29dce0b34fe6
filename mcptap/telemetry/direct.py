"""Spans that go straight to mcptap's own exporters.

The SDK's spans cost more than all else that mcptap does with a request: locks, copies and checks for
spans that anybody may touch at any time. Nobody but mcptap touches these, so what there is to say is
noted, and one `ReadableSpan` is made of it at the end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Decision, Sampler
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from mcptap.telemetry.operation import Attribute, Attributes
from mcptap.telemetry.tracing import UNSET, NamedSpan, Span

_MOST_EVENTS: Final = 128
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED: Final = TraceFlags(TraceFlags.DEFAULT)


@dataclass(frozen=True, slots=True)
class DirectTracing:
    """Opens spans that go straight to processors (`mcptap.telemetry.tracing.Tracing`).

    Attributes:
        processors: Where they go when they end.
        resource: What is said of mcptap itself.
        scope: The instrumentation scope.
        sampler: Decides which of them are recorded.
        ids: Makes their ids.
        limits: How much one of them may hold.
    """

    processors: Sequence[SpanProcessor]
    resource: Resource
    scope: InstrumentationScope
    sampler: Sampler
    ids: IdGenerator = field(default_factory=RandomIdGenerator)
    limits: SpanLimits = field(default_factory=SpanLimits)

    def start(
        self,
        name: str,
        kind: SpanKind,
        parent: Context,
        attributes: dict[str, Attribute],
        links: Sequence[SpanContext] = (),
    ) -> Span:
        """Open a span; see `Tracing.start`."""
        above: SpanContext | None = get_current_span(parent).get_span_context()
        if above is not None and above.is_valid:
            trace_id = above.trace_id
        else:
            above, trace_id = None, self.ids.generate_trace_id()
        if self.sampler is DEFAULT_ON:  # what nearly everybody has: it is quicker done than asked
            sampled = above is None or above.trace_flags.sampled
            state = None if above is None else above.trace_state
        else:
            sampling = self.sampler.should_sample(parent, trace_id, name, kind, attributes)
            sampled = sampling.decision is Decision.RECORD_AND_SAMPLE
            state = sampling.trace_state
        context = SpanContext(
            trace_id,
            self.ids.generate_span_id(),
            is_remote=False,
            trace_flags=_SAMPLED if sampled else _NOT_SAMPLED,
            trace_state=state,
        )
        return _DirectSpan(self, name, kind, context, parent, above, attributes, links)

    def finish(self, span: ReadableSpan) -> None:
        """Send a span that has ended."""
        for processor in self.processors:
            processor.on_end(span)


class _DirectSpan(NamedSpan):
    __slots__ = (
        "_above",
        "_events",
        "_inside",
        "_kind",
        "_links",
        "_name",
        "_parent",
        "_started",
        "_tracing",
        "attributes",
        "recording",
    )

    def __init__(
        self,
        tracing: DirectTracing,
        name: str,
        kind: SpanKind,
        context: SpanContext,
        parent: Context,
        above: SpanContext | None,
        attributes: dict[str, Attribute],
        links: Sequence[SpanContext],
    ) -> None:
        self._tracing = tracing
        self._name = name
        self._kind = kind
        self._parent = parent
        self._above = above
        self._links = [Link(each) for each in links]
        self._events: BoundedList[Event] | None = None
        self._started = time.time_ns()
        self._inside: Context | None = None
        self.context = context
        self.recording = context.trace_flags.sampled
        self.attributes = attributes

    def within(self) -> Context:
        if self._inside is None:
            self._inside = set_span_in_context(NonRecordingSpan(self.context), self._parent)
        return self._inside

    def event(self, name: str, attributes: Attributes) -> None:
        if self.recording:
            if self._events is None:
                self._events = BoundedList(self._tracing.limits.max_events or _MOST_EVENTS)
            self._events.append(Event(name, attributes, time.time_ns()))

    def link(self, context: SpanContext) -> None:
        self._links.append(Link(context))

    def end(self, status: Status = UNSET) -> None:
        if not self.recording:
            return
        self._tracing.finish(
            ReadableSpan(
                self._name,
                context=self.context,
                parent=self._above,
                resource=self._tracing.resource,
                attributes=self.attributes,
                events=() if self._events is None else self._events,
                links=self._links,
                kind=self._kind,
                status=status,
                start_time=self._started,
                end_time=time.time_ns(),
                instrumentation_scope=self._tracing.scope,
            )
        )
