"""Spans are cut as the variables say, and batches are sent in parts that a receiver takes."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from mcptap.telemetry.collector import Otlp
from mcptap.telemetry.direct import DirectSpan, DirectTracing
from mcptap.telemetry.operation import Operation
from mcptap.telemetry.otlp import OfExporter, OtlpSpans
from mcptap.telemetry.span import SERVER
from mcptap.telemetry.telemetry import Telemetry
from tests.telemetry.receivers import Protocol, collector

MEGABYTE = 1_000_000


def ended(attributes: dict[str, Any], links: int = 0) -> DirectSpan:
    """A span that has ended, under the limits of the environment."""
    spans: list[DirectSpan] = []
    scope = InstrumentationScope("mcptap")
    tracing = DirectTracing(spans.append, Resource({}), scope, DEFAULT_ON, SpanLimits())
    linked = [SpanContext(1, number + 1, is_remote=True) for number in range(links)]
    span = Telemetry(tracing).begin(
        SERVER, Operation("ping", "ping", {}), None, Context(), linked, attributes
    )
    span.event("said", {"a": "long text", "b": 2})
    span.end()
    return spans[0]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_spans_are_sent_within_the_limits_of_the_variables(
    protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "6")
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4")
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "2")
    monkeypatch.setenv("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "1")
    monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", "1")
    span = ended({"x": "dropped", "y": "long text", "z": 3}, links=2)
    with collector(protocol) as received:
        endpoint = received.url if protocol == "grpc" else f"{received.url}/v1/traces"
        outlet = OtlpSpans(Otlp(protocol, endpoint))
        assert outlet.send([span]) == 0
        outlet.shutdown()
    (sent,) = received.spans
    assert sent.attributes == {"y": "long", "z": 3}
    assert sent.events == [("said", {"b": 2})]
    assert len(sent.links) == 1


def test_an_exporter_of_a_package_gets_them_within_the_limits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4")
    exporter = InMemorySpanExporter()
    assert OfExporter(exporter, "memory").send([ended({"y": "long text"})]) == 0
    (sent,) = exporter.get_finished_spans()
    assert (sent.attributes or {})["y"] == "long"


def test_no_event_is_kept_where_none_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "0")
    assert len(ended({}).events) == 0


def test_a_batch_that_is_too_large_for_a_receiver_comes_in_parts() -> None:
    spans = [ended({"text": "x" * (2 * MEGABYTE), "number": number}) for number in range(4)]
    with collector("grpc") as received:
        outlet = OtlpSpans(Otlp("grpc", received.url))
        assert outlet.send(spans) == 0
        outlet.shutdown()
    assert sorted(each.attributes["number"] for each in received.spans) == [0, 1, 2, 3]


def test_a_span_that_is_too_large_by_itself_is_lost_alone() -> None:
    too_large, small = ended({"text": "x" * (5 * MEGABYTE)}), ended({"number": 0})
    with collector("grpc") as received:
        outlet = OtlpSpans(Otlp("grpc", received.url, timeout=4.0))
        assert outlet.send([too_large, small]) == 1
        assert "RESOURCE_EXHAUSTED" in outlet.destination.trouble
        outlet.shutdown()
    assert [each.attributes["number"] for each in received.spans] == [0]


def test_an_exporter_that_refuses_has_lost_all_of_them() -> None:
    class Refusing(InMemorySpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            assert all(isinstance(each, ReadableSpan) for each in spans)
            return SpanExportResult.FAILURE

    outlet = OfExporter(Refusing(), "refusing")
    assert outlet.send([ended({}), ended({})]) == 2
    assert outlet.destination.trouble == "it does not say why"
