"""Trace context in ``_meta``: unprefixed ``traceparent``, ``tracestate`` and ``baggage`` (SEP-414)."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import propagate
from opentelemetry.context import Context, get_current
from opentelemetry.trace import NonRecordingSpan, SpanContext, get_current_span, set_span_in_context

from mcptap.model import Json
from mcptap.protocol import META, meta_of


def parent_of(
    params: Json | None, headers: Mapping[str, str] | None = None, around: Context | None = None
) -> tuple[Context, tuple[SpanContext, ...]]:
    """The context that a message is handled in, and the spans that it is linked to.

    What ``_meta`` carries is the parent, and the ambient context is linked ("Context propagation" of
    the conventions). Without the first the ambient one is the parent.

    Args:
        params: The message's params.
        headers: Those of the HTTP request that it came with: they name the ambient span, unless an
            instrumentation of the front has opened one.
        around: The ambient context; by default that of the task.
    """
    current = get_current() if around is None else around
    ambient = get_current_span(current).get_span_context()
    if not ambient.is_valid and headers is not None and (carrier := _carrier(headers)):
        current = propagate.extract(carrier, current)
        ambient = get_current_span(current).get_span_context()
    if not (carrier := _carrier(meta_of(params))):
        return current, ()
    context = propagate.extract(carrier, current)
    parent = get_current_span(context).get_span_context()
    linked = ambient.is_valid and parent.is_valid and parent.span_id != ambient.span_id
    return context, (ambient,) if linked else ()


def with_context(params: Json | None, context: Context) -> Json | None:
    """The params with a context in their ``_meta``, in the place of one that is there already."""
    meta = (params or {}).get(META, {})
    if not isinstance(meta, Mapping):
        return params
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context)
    if not carrier:
        return params
    # A trace state belongs to the trace that it came with.
    kept = {name: value for name, value in meta.items() if name != "tracestate"}
    return {**(params or {}), META: {**kept, **carrier}}


def recorded_span(trace_id: str | None, span_id: str | None) -> SpanContext | None:
    """The span that a cassette's line names, if it names one."""
    try:
        context = SpanContext(int(trace_id or "", 16), int(span_id or "", 16), is_remote=True)
    except ValueError:
        return None
    return context if context.is_valid else None


def unsampled(context: Context) -> Context:
    """A context in which nobody's sampler that heeds its parent records a span."""
    span = get_current_span(context).get_span_context()
    quiet = SpanContext(span.trace_id, span.span_id, is_remote=True, trace_state=span.trace_state)
    return set_span_in_context(NonRecordingSpan(quiet), context)


def _carrier(source: Mapping[str, object]) -> dict[str, str]:
    """What the propagators may read: values that a client sent as something else can't be a context."""
    found = {}
    for name in propagate.get_global_textmap().fields:
        value = source.get(name)
        if isinstance(value, str):
            found[name] = value
    return found
