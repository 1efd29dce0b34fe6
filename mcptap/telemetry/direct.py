"""Spans that go straight to mcptap's own exporters.

The SDK's spans cost more than all else that mcptap does with a request: locks, copies and checks for
spans that anybody may touch at any time. Nobody but mcptap touches these, so what there is to say is
only noted here. What it looks like is made out in the thread that sends: many spans in a row take a
fraction of the time there that each would take in the middle of its request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from os import urandom
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, ClassVar, Final, cast

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
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)

from mcptap.model import Json
from mcptap.telemetry.limiting import is_limited
from mcptap.telemetry.operation import Attribute, Attributes, Operation
from mcptap.telemetry.span import Begin, Span, shown

if TYPE_CHECKING:
    from mcptap.telemetry.telemetry import Telemetry

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED: Final = TraceFlags(TraceFlags.DEFAULT)
_TOGETHER: Final = 256


def _ids(size: int) -> Iterator[bytes]:
    """Random ids of so many bytes, none of which is all zeros, made many at once."""

    def some() -> list[bytes]:
        pool = urandom(size * _TOGETHER)
        return [each for at in range(0, len(pool), size) if any(each := pool[at : at + size])]

    return chain.from_iterable(iter(some, None))


_trace_ids: Final = _ids(16)
_span_ids: Final = _ids(8)


@dataclass(frozen=True, slots=True, eq=False)
class DirectTracing:
    """Begins spans that go straight to where they are sent from (`mcptap.telemetry.span.Tracing`).

    Attributes:
        take: Is given those that have ended.
        resource: What is said of mcptap itself.
        scope: The instrumentation scope.
        sampler: Decides which of them are recorded.
        limits: How much one of them may hold, and
        limited: whether that has to be looked at where they are sent.
    """

    take: Callable[[DirectSpan], None]
    resource: Resource
    scope: InstrumentationScope
    sampler: Sampler
    limits: SpanLimits = field(default_factory=SpanLimits)
    limited: bool = field(init=False)
    ambient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "limited", is_limited(self.limits))

    def begins(self, telemetry: Telemetry) -> Begin:
        """Give what begins spans; see `mcptap.telemetry.span.Tracing`."""
        telemetry.asks = telemetry.capture_content or self.sampler is not DEFAULT_ON
        new = DirectSpan.__new__

        def begin(
            kind: SpanKind,
            operation: Operation,
            params: Json | None,
            parent: Context | Span,
            links: Sequence[SpanContext] = (),
            attributes: dict[str, Attribute] | None = None,
            request_id: str | int | None = None,
        ) -> DirectSpan:
            # To have a class make it, and what it inherits set some of it, would cost half as much again.
            span = new(DirectSpan)
            span.started = perf_counter_ns()
            span.telemetry = telemetry
            span.kind = kind
            span.operation = operation
            span.attributes = {} if attributes is None else attributes
            span.request_id = request_id
            span.elsewhere = None
            span.details = _Details(links) if links else None
            span.number = next(_span_ids)
            if isinstance(parent, DirectSpan):
                span.above = parent
                span.around = parent.around
                span.trace = parent.trace
                span.recording = parent.recording
                span.trace_state = parent.trace_state
                span.epoch = parent.epoch
            else:
                span.above = None
                span.around = parent  # type: ignore[assignment]
                span.trace = next(_trace_ids)
                span.recording = True
                span.trace_state = None
                span.epoch = span.started - time_ns()
                if parent:
                    span.continue_from(get_current_span(span.around).get_span_context())
            if operation.has_uri or telemetry.asks:
                span.ask(params, parent)
            return span

        return begin

    def decide(self, span: DirectSpan, parent: Context | Span) -> None:
        """Ask the sampler whether a span is recorded."""
        sampling = self.sampler.should_sample(
            parent.within() if isinstance(parent, Span) else parent,
            int.from_bytes(span.trace),
            span.operation.span_name,
            span.kind,
            span.all_attributes(),
        )
        span.recording = sampling.decision is Decision.RECORD_AND_SAMPLE
        span.trace_state = sampling.trace_state


@dataclass(slots=True)
class _Details:
    links: Sequence[SpanContext] = ()
    events: Sequence[Event] = ()


class DirectSpan(Span):
    """A span of mcptap's own; `DirectTracing.begins` gives what makes them.

    Attributes:
        above: The span that it is inside of, or what names that; ``None`` where there is none.
        trace: The id of its trace, 16 bytes, and
        number: its own, 8 bytes.
        details: What happened in it, and what it is linked to, if anything.
        epoch: What `time.perf_counter_ns` gave, or would have given, at the beginning of 1970.
    """

    __slots__ = (
        "above",
        "details",
        "epoch",
        "number",
        "recording",
        "trace",
        "trace_state",
    )

    above: SpanContext | DirectSpan | None
    trace: bytes
    number: bytes
    recording: bool
    trace_state: TraceState | None
    details: _Details | None
    epoch: int

    def continue_from(self, above: SpanContext) -> None:
        """Make it part of somebody's trace, if there is one."""
        if above.is_valid:
            self.above = above
            self.trace = above.trace_id.to_bytes(16)
            self.recording = above.trace_flags.sampled
            self.trace_state = above.trace_state

    def ask(self, params: Json | None, parent: Context | Span) -> None:
        """Find out what is shown of the params, and whether anybody wants to see it."""
        self.attributes |= shown(self.telemetry, self.operation, params)
        if self.tracing.sampler is not DEFAULT_ON:
            self.tracing.decide(self, parent)

    @property
    def tracing(self) -> DirectTracing:
        """What began it."""
        return cast("DirectTracing", self.telemetry.tracing)

    @property
    def events(self) -> Sequence[Event]:
        """What happened in it."""
        return () if self.details is None else self.details.events

    @property
    def links(self) -> Sequence[SpanContext]:
        """The spans that it is linked to."""
        return () if self.details is None else self.details.links

    @property
    def trace_id(self) -> str:  # type: ignore[override]
        """See `Span`."""
        return self.trace.hex()

    @property
    def span_id(self) -> str:  # type: ignore[override]
        """See `Span`."""
        return self.number.hex()

    def traceparent(self) -> str:
        """See `Span`."""
        return f"00-{self.trace.hex()}-{self.number.hex()}-{'01' if self.recording else '00'}"

    @property
    def start_time(self) -> int:
        """When it began, in nanoseconds since 1970."""
        return self.started - self.epoch

    @property
    def end_time(self) -> int:
        """When it ended, in nanoseconds since 1970."""
        return self.ended - self.epoch

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
        if self.details is None:
            self.details = _Details()
        if not isinstance(self.details.events, BoundedList):
            self.details.events = BoundedList(self.tracing.limits.max_events)
        self.details.events.append(Event(name, attributes, perf_counter_ns() - self.epoch))

    def link(self, context: SpanContext) -> None:
        """See `Span.link`."""
        if self.details is None:
            self.details = _Details()
        self.details.links = [*self.details.links, context]

    def readable(self) -> ReadableSpan:
        """The span in the SDK's form, once it has ended."""
        return ReadableSpan(
            self.operation.span_name,
            context=self.context,
            parent=self.parent,
            resource=self.tracing.resource,
            attributes=self.all_attributes(),
            events=self.events,
            links=[Link(each) for each in self.links],
            kind=self.kind,
            status=self.status,
            start_time=self.start_time,
            end_time=self.end_time,
            instrumentation_scope=self.tracing.scope,
        )
