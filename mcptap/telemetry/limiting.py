"""The limits that ``OTEL_…_LIMIT`` set on spans, applied where they are sent ("Tracing SDK", Span limits)."""

from __future__ import annotations

from typing import Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits
from opentelemetry.sdk.util import BoundedList

_USUAL: Final = 128


def is_limited(limits: SpanLimits) -> bool:
    """Whether anything but the number of events is limited that mcptap's spans may reach."""
    lengths = (limits.max_attribute_length, limits.max_span_attribute_length)
    counts = (limits.max_span_attributes, limits.max_event_attributes, limits.max_links)
    return lengths != (None, None) or counts != (_USUAL, _USUAL, _USUAL)


def limited(span: ReadableSpan, limits: SpanLimits) -> ReadableSpan:
    """What the limits leave of a span."""
    events = BoundedList.from_seq(
        limits.max_events,
        [
            Event(
                each.name,
                BoundedAttributes(
                    limits.max_event_attributes, each.attributes, max_value_len=limits.max_attribute_length
                ),
                each.timestamp,
            )
            for each in span.events
        ],
    )
    events.dropped += span.dropped_events
    return ReadableSpan(
        span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=BoundedAttributes(
            limits.max_span_attributes, span.attributes, max_value_len=limits.max_span_attribute_length
        ),
        events=events,
        links=BoundedList.from_seq(limits.max_links, span.links),
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
