"""Trace context in ``_meta``: unprefixed ``traceparent``, ``tracestate`` and ``baggage`` (SEP-414)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import baggage, propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import SpanContext, get_current_span

from mcptap.model import Json
from mcptap.protocol import META
from mcptap.telemetry.private import is_w3c

if TYPE_CHECKING:
    from mcptap.telemetry.span import Span

_TRACEPARENT: Final = "traceparent"
_TRACESTATE: Final = "tracestate"
_BAGGAGE: Final = "baggage"


class Propagation:
    """Reads the context that a message comes with, and writes that which it goes on with.

    Args:
        textmap: The propagators; by default those of ``OTEL_PROPAGATORS``.

    Attributes:
        fields: The members of ``_meta``, and the headers, that they look at.
    """

    def __init__(self, textmap: TextMapPropagator | None = None) -> None:
        self._textmap = propagate.get_global_textmap() if textmap is None else textmap
        self.fields = frozenset(self._textmap.fields)
        self._is_w3c = is_w3c(self._textmap)

    def parent_of(
        self, meta: Mapping[str, Any], headers: Mapping[str, str] | None, around: Context
    ) -> tuple[Context, tuple[SpanContext, ...]]:
        """The context that a message is handled in, and the spans that it is linked to.

        What ``_meta`` carries is the parent, and the ambient context is linked ("Context propagation" of
        the conventions). Without the first the ambient one is the parent.

        Args:
            meta: The message's ``_meta``.
            headers: Those of the HTTP request that it came with: they name the ambient span, unless an
                instrumentation of the front has opened one.
            around: The ambient context.
        """
        carrier = self._carrier(meta)
        outer = {} if headers is None else self._carrier(headers)
        if not carrier and not outer:
            return around, ()
        current = around
        ambient = get_current_span(current).get_span_context()
        if not ambient.is_valid and outer:
            current = self._textmap.extract(outer, current)
            ambient = get_current_span(current).get_span_context()
        if not carrier:
            return current, ()
        context = self._textmap.extract(carrier, current)
        parent = get_current_span(context).get_span_context()
        linked = ambient.is_valid and parent.is_valid and parent.span_id != ambient.span_id
        return context, (ambient,) if linked else ()

    def with_span(self, params: Json | None, span: Span) -> Json | None:
        """The params with a span's context in their ``_meta``, in the place of one that is there already."""
        meta = params.get(META, {}) if params else {}
        if not isinstance(meta, dict):
            return params
        around = span.around
        if self._is_w3c and (_BAGGAGE in meta or not (around and baggage.get_all(around))):
            # What the propagators would write, which they need a multiple of the time for.
            given = {**meta}
            given[_TRACEPARENT] = span.traceparent()
            if state := span.trace_state:
                given[_TRACESTATE] = state.to_header()
            elif _TRACESTATE in given:  # it belongs to the trace that it came with
                del given[_TRACESTATE]
        else:
            carrier: dict[str, str] = {}
            self._textmap.inject(carrier, span.within())
            if _BAGGAGE in meta:  # nobody but the client has a say in it
                carrier.pop(_BAGGAGE, None)
            if not carrier:
                return params
            given = {**meta, **carrier}
            if _TRACESTATE not in carrier:
                given.pop(_TRACESTATE, None)
        sent = {**params} if params else {}
        sent[META] = given
        return sent

    def _carrier(self, source: Mapping[str, object]) -> dict[str, str]:
        """What the propagators may read: values that a client sent as something else can't be a context."""
        found = {}
        for name in self.fields:
            value = source.get(name)
            if isinstance(value, str):
                found[name] = value
        return found


def recorded_span(trace_id: str | None, span_id: str | None) -> SpanContext | None:
    """The span that a cassette's line names, if it names one."""
    try:
        context = SpanContext(int(trace_id or "", 16), int(span_id or "", 16), is_remote=True)
    except ValueError:
        return None
    return context if context.is_valid else None
