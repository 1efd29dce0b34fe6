"""Our OTLP bytes say what OpenTelemetry's own encoder says, and its exporters take them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from mcptap.telemetry import conventions as names
from mcptap.telemetry.collector import Otlp
from mcptap.telemetry.direct import DirectSpan, DirectTracing
from mcptap.telemetry.encoding import encode, encode_direct
from mcptap.telemetry.operation import SUCCESS, Ending, Operation
from mcptap.telemetry.otlp import OtlpSpans
from mcptap.telemetry.telemetry import Telemetry
from tests.telemetry.receivers import Protocol, collector

RESOURCE = Resource({"service.name": "tést", "number": 3})
SCOPE = InstrumentationScope("mcptap", "1")
TIMES = st.integers(0, 2**63)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
LONG = st.integers(30, 80).map("é".__mul__)  # about where a length takes a second byte
VALUES = st.one_of(TEXTS, LONG, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
ATTRIBUTES = st.dictionaries(st.just(names.SEQ) | TEXTS.filter(bool), VALUES, max_size=6)
CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.just(TraceFlags(TraceFlags.SAMPLED)),
    st.sampled_from([TraceState(), TraceState([("a", "1"), ("b", "2")])]),
)
SPANS = st.builds(
    ReadableSpan,
    TEXTS,
    context=CONTEXTS,
    parent=st.none() | CONTEXTS,
    resource=st.just(RESOURCE),
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(Event, TEXTS, ATTRIBUTES, TIMES), max_size=3),
    links=st.lists(st.builds(Link, CONTEXTS), max_size=2),
    kind=st.sampled_from(SpanKind),
    status=st.sampled_from([Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "é" * 200)]),
    start_time=TIMES,
    end_time=TIMES,
    instrumentation_scope=st.just(SCOPE),
)


@given(st.lists(SPANS, min_size=1, max_size=4))
def test_the_bytes_say_the_same_as_opentelemetrys_encoder(spans: list[ReadableSpan]) -> None:
    assert ExportTraceServiceRequest.FromString(encode(spans)) == encode_spans(spans)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_the_exporters_take_the_bytes(protocol: Protocol) -> None:
    spans = [
        ReadableSpan(
            "ping", context=SpanContext(1, 2, is_remote=False), resource=RESOURCE,
            start_time=1, end_time=2, instrumentation_scope=SCOPE,
        )
    ]  # fmt: skip
    with collector(protocol) as received:
        endpoint = received.url if protocol == "grpc" else f"{received.url}/v1/traces"
        outlet = OtlpSpans(Otlp(protocol, endpoint))
        assert outlet.send(spans) == 0
        outlet.shutdown()
    assert [each.name for each in received.spans] == ["ping"]


@given(
    st.sampled_from([SpanKind.SERVER, SpanKind.CLIENT]),
    st.none() | CONTEXTS,
    ATTRIBUTES,
    ATTRIBUTES,
    st.tuples(st.none() | TEXTS | st.integers(), st.none() | st.floats(0, 1e9)),
    st.lists(CONTEXTS, max_size=2),
    st.lists(TEXTS, max_size=4),
    st.sampled_from([SUCCESS, Ending("-32000", "-32000", "é" * 200), Ending(None, "-32601")]),
)
def test_the_bytes_of_our_own_spans_say_the_same_as_their_readable_form(
    kind: SpanKind,
    parent: SpanContext | None,
    shared: dict[str, Any],
    own: dict[str, Any],
    of_one_request: tuple[str | int | None, float | None],
    links: list[SpanContext],
    events: list[str],
    ending: Ending,
) -> None:
    ended: list[DirectSpan] = []

    shared = {key: value for key, value in shared.items() if key not in own}
    tracing = DirectTracing(ended.append, RESOURCE, SCOPE, ALWAYS_ON, SpanLimits(max_events=2))
    telemetry = Telemetry(tracing)
    around = Context() if parent is None else set_span_in_context(NonRecordingSpan(parent))
    operation = Operation("ping", "näme", shared)
    span = telemetry.begin(kind, operation, None, around, links, dict(own), of_one_request[0])
    span.elsewhere = of_one_request[1]
    for event in events:
        span.event(event, {"a": 1})
    telemetry.begin(kind, Operation("ping", "inside", shared), None, span, (), dict(own)).end()
    span.end(ending)
    readable = [each.readable() for each in ended]
    assert ExportTraceServiceRequest.FromString(encode_direct(ended)) == encode_spans(readable)
    assert span.traceparent() == f"00-{span.trace_id}-{span.span_id}-01"
    assert (parent is None) == (readable[-1].parent is None)
