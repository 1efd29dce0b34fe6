"""Spans that go straight to mcptap's own exporters.

The SDK's spans cost more than all else that mcptap does with a request: locks, copies and checks for
spans that anybody may touch at any time. Nobody but mcptap touches these, so what there is to say is
only noted here. What it looks like is made out in the thread that sends: many spans in a row take a
fraction of the time there that each would take in the middle of its request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import getrandbits
from typing import ClassVar, Final, cast

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


@dataclass(frozen=True, slots=True, eq=False)
class DirectTracing:
    """Opens spans that go straight to where they are sent from (`mcptap.telemetry.tracing.Tracing`).

    Attributes:
        takers: Are given those that have ended.
        resource: What is said of mcptap itself.
        scope: The instrumentation scope.
        sampler: Decides which of them are recorded.
        limits: How much one of them may hold.
    """

    takers: Sequence[Callable[[DirectSpan], None]]
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
        span = DirectSpan(self, operation, kind, parent, attributes, links)
        if self.sampler is not DEFAULT_ON:  # what nearly everybody has: it is quicker done than asked
            self._ask_sampler(span, parent)
        return span

    def _ask_sampler(self, span: DirectSpan, parent: Context | Span) -> None:
        sampling = self.sampler.should_sample(
            parent.within() if isinstance(parent, DirectSpan) else cast("Context", parent),
            int.from_bytes(span.trace),
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
        trace: The id of its trace, 16 bytes, and
        number: its own, 8 bytes.
        links: The spans that it is linked to.
        events: What happened in it.
        status: How it ended.
        start_time: When it began, in nanoseconds since 1970, and
        end_time: when it ended.
    """

    __slots__ = (
        "above",
        "around",
        "attributes",
        "end_time",
        "events",
        "kind",
        "links",
        "number",
        "operation",
        "recording",
        "start_time",
        "status",
        "trace",
        "trace_state",
        "tracing",
    )

    above: SpanContext | DirectSpan | None
    around: Context
    recording: bool
    trace: bytes
    trace_state: TraceState | None

    def __init__(
        self,
        tracing: DirectTracing,
        operation: Operation,
        kind: SpanKind,
        parent: Context | Span,
        attributes: dict[str, Attribute],
        links: Sequence[SpanContext],
    ) -> None:
        self.tracing = tracing
        self.operation = operation
        self.kind = kind
        if isinstance(parent, DirectSpan):
            self.above, self.around, self.trace = parent, parent.around, parent.trace
            self.recording, self.trace_state = parent.recording, parent.trace_state
        else:
            self._begin(parent)  # type: ignore[arg-type]
        self.number = (getrandbits(64) or 1).to_bytes(8)
        self.attributes = attributes
        self.links = links
        self.events: Sequence[Event] = ()
        self.start_time = time.time_ns()

    def _begin(self, around: Context) -> None:
        above = get_current_span(around).get_span_context() if around else None
        self.around = around
        if above is not None and above.is_valid:
            self.above, self.trace = above, above.trace_id.to_bytes(16)
            self.recording, self.trace_state = above.trace_flags.sampled, above.trace_state
        else:
            self.above, self.trace = None, (getrandbits(128) or 1).to_bytes(16)
            self.recording, self.trace_state = True, None

    @property
    def trace_id(self) -> str:
        """See `Span.trace_id`."""
        return self.trace.hex()

    @property
    def span_id(self) -> str:
        """See `Span.span_id`."""
        return self.number.hex()

    @property
    def traceparent(self) -> str:
        """See `Span.traceparent`."""
        return f"00-{self.trace.hex()}-{self.number.hex()}-{'01' if self.recording else '00'}"

    @property
    def context(self) -> SpanContext:
        """What names it."""
        return SpanContext(
            int.from_bytes(self.trace),
            int.from_bytes(self.number),
            is_remote=False,
            trace_flags=_SAMPLED if self.recording else _NOT_SAMPLED,
            trace_state=self.trace_state,
        )

    @property
    def parent(self) -> SpanContext | None:
        """What names the span that it is inside of."""
        return self.above.context if isinstance(self.above, DirectSpan) else self.above

    def within(self) -> Context:
        """See `Span.within`."""
        return set_span_in_context(NonRecordingSpan(self.context), self.around)

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
        for take in self.tracing.takers:
            take(self)

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
