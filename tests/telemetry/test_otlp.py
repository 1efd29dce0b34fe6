"""Our OTLP bytes say what OpenTelemetry's own encoder says, and its exporters take them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from mcptap.telemetry.encoding import encode
from mcptap.telemetry.otlp import span_exporter
from mcptap.telemetry.settings import Otlp
from tests.telemetry.receivers import Protocol, collector

RESOURCE = Resource({"service.name": "tést", "number": 3})
SCOPE = InstrumentationScope("mcptap", "1")
TIMES = st.integers(0, 2**63)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
VALUES = st.one_of(TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
ATTRIBUTES = st.dictionaries(TEXTS.filter(bool), VALUES, max_size=6)
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
        exporter = span_exporter(Otlp(protocol, endpoint))
        assert exporter.export(spans) is SpanExportResult.SUCCESS
        exporter.shutdown()
    assert [each.name for each in received.spans] == ["ping"]


def test_the_private_names_of_the_exporters_are_where_they_were() -> None:
    exporter = HttpSpanExporter(endpoint="http://127.0.0.1:9/v1/traces")
    assert callable(exporter._client.export)
    assert callable(GrpcSpanExporter._translate_data)
