"""Spans that go straight to mcptap's own exporters.

The SDK's spans cost more than all else that mcptap does with a request: locks, copies and checks for
spans that anybody may touch at any time. Nobody but mcptap touches these, so what there is to say is
only noted here. What it looks like is made out in the thread that sends: many spans in a row take a
fraction of the time there that each would take in the middle of its request.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import getrandbits
from typing import ClassVar, Final, Protocol, cast

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits
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
    TraceState,
    get_current_span,
    set_span_in_context,
)

from mcptap.telemetry.operation import Attribute, Attributes, Operation
from mcptap.telemetry.tracing import UNSET, Span

_MOST_EVENTS: Final = 128
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED: Final = TraceFlags(TraceFlags.DEFAULT)


class Taker(Protocol):
    """Where spans go."""

    def take(self, span: DirectSpan) -> None:
        """Take a span that has ended."""


@dataclass(frozen=True, slots=True)
class DirectTracing:
    """Opens spans that go straight to where they are sent from (`mcptap.telemetry.tracing.Tracing`).

    Attributes:
        takers: Where they go when they end.
        resource: What is said of mcptap itself.
        scope: The instrumentation scope.
        sampler: Decides which of them are recorded.
        limits: How much one of them may hold.
    """

    takers: Sequence[Taker]
    resource: Resource
    scope: InstrumentationScope
    sampler: Sampler
    limits: SpanLimits = field(default_factory=SpanLimits)
    ambient: ClassVar[bool] = False

    def start(
        self,
        operation: Operation,
        kind: SpanKind,
        parent: Context | Span,
        attributes: dict[str, Attribute],
        links: Sequence[SpanContext] = (),
    ) -> Span:
        """Open a span; see `Tracing.start`."""
        if isinstance(parent, DirectSpan):
            span = DirectSpan(self, operation, kind, parent.around, attributes, links)
            span.above, span.trace_number = parent, parent.trace_number
            span.recording, span.trace_state = parent.recording, parent.trace_state
        else:
            around: Context = parent  # type: ignore[assignment]
            span = DirectSpan(self, operation, kind, around, attributes, links)
            above = get_current_span(around).get_span_context() if around else None
            if above is not None and above.is_valid:
                span.above, span.trace_number = above, above.trace_id
                span.recording, span.trace_state = above.trace_flags.sampled, above.trace_state
            else:
                span.trace_number = getrandbits(128) or 1
        if self.sampler is not DEFAULT_ON:  # what nearly everybody has: it is quicker done than asked
            self._ask_sampler(span, parent)
        return span

    def _ask_sampler(self, span: DirectSpan, parent: Context | Span) -> None:
        sampling = self.sampler.should_sample(
            parent.within() if isinstance(parent, DirectSpan) else cast("Context", parent),
            span.trace_number,
            span.operation.span_name,
            span.kind,
            {**span.operation.attributes, **span.attributes},
        )
        span.recording = sampling.decision is Decision.RECORD_AND_SAMPLE
        span.trace_state = sampling.trace_state


class DirectSpan:
    """A span of mcptap's own (`mcptap.telemetry.tracing.Span`).

    Attributes:
        tracing: What opened it.
        operation: Its name, and the attributes that it shares with others.
        kind: Its kind.
        above: The span that it is inside of, or what names that.
        trace_number: The id of its trace, and
        span_number: its own.
        links: The spans that it is linked to.
        events: What happened in it.
        status: How it ended.
        start_time: When it began, in nanoseconds since 1970, and
        end_time: when it ended.
    """

    __slots__ = (
        "_context",
        "_inside",
        "above",
        "around",
        "attributes",
        "end_time",
        "events",
        "kind",
        "links",
        "operation",
        "recording",
        "span_number",
        "start_time",
        "status",
        "trace_number",
        "trace_state",
        "tracing",
    )

    def __init__(
        self,
        tracing: DirectTracing,
        operation: Operation,
        kind: SpanKind,
        around: Context,
        attributes: dict[str, Attribute],
        links: Sequence[SpanContext],
    ) -> None:
        self.tracing = tracing
        self.operation = operation
        self.kind = kind
        self.around = around
        self.above: SpanContext | DirectSpan | None = None
        self.trace_number = 0
        self.span_number = getrandbits(64) or 1
        self.recording = True
        self.trace_state: TraceState | None = None
        self.attributes = attributes
        self.links = links
        self.events: Sequence[Event] = ()
        self.status = UNSET
        self.end_time = 0
        self._context: SpanContext | None = None
        self._inside: Context | None = None
        self.start_time = time.time_ns()

    @property
    def trace_id(self) -> str:
        """See `Span.trace_id`."""
        return self.trace_number.to_bytes(16).hex()

    @property
    def span_id(self) -> str:
        """See `Span.span_id`."""
        return self.span_number.to_bytes(8).hex()

    @property
    def traceparent(self) -> str:
        """See `Span.traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.recording else '00'}"

    @property
    def context(self) -> SpanContext:
        """What names it."""
        if self._context is None:
            self._context = SpanContext(
                self.trace_number,
                self.span_number,
                is_remote=False,
                trace_flags=_SAMPLED if self.recording else _NOT_SAMPLED,
                trace_state=self.trace_state,
            )
        return self._context

    @property
    def parent(self) -> SpanContext | None:
        """What names the span that it is inside of."""
        return self.above.context if isinstance(self.above, DirectSpan) else self.above

    def within(self) -> Context:
        """See `Span.within`."""
        if self._inside is None:
            self._inside = set_span_in_context(NonRecordingSpan(self.context), self.around)
        return self._inside

    def event(self, name: str, attributes: Attributes) -> None:
        """See `Span.event`."""
        if not self.recording:
            return
        if not isinstance(self.events, BoundedList):
            self.events = BoundedList(self.tracing.limits.max_events or _MOST_EVENTS)
        self.events.append(Event(name, attributes, time.time_ns()))

    def link(self, context: SpanContext) -> None:
        """See `Span.link`."""
        self.links = [*self.links, context]

    def end(self, status: Status = UNSET) -> None:
        """See `Span.end`."""
        if not self.recording:
            return
        self.end_time = time.time_ns()
        self.status = status
        for taker in self.tracing.takers:
            taker.take(self)

    def readable(self) -> ReadableSpan:
        """The span in the SDK's form, once it has ended."""
        shared: Mapping[str, Attribute] = self.operation.attributes
        return ReadableSpan(
            self.operation.span_name,
            context=self.context,
            parent=self.parent,
            resource=self.tracing.resource,
            attributes={**shared, **self.attributes},
            events=self.events,
            links=[Link(each) for each in self.links],
            kind=self.kind,
            status=self.status,
            start_time=self.start_time,
            end_time=self.end_time,
            instrumentation_scope=self.tracing.scope,
        )
