"""The private names of OpenTelemetry are where they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import INVALID_SPAN_CONTEXT
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from requests import Session

from mcptap.telemetry.private import (
    add_to_collected,
    http_send,
    is_plain,
    is_w3c,
    preferences,
    send_by_urllib3,
    translate_by,
    watch_grpc,
    watch_http,
)
from tests.telemetry.receivers import collector


def test_an_http_exporter_sends_bytes() -> None:
    assert callable(http_send(HttpSpanExporter(endpoint="http://127.0.0.1:9/v1/traces")))


@pytest.mark.parametrize(
    ("endpoint", "variables", "plain"),
    [
        ("http://127.0.0.1:9/v1/traces", {}, True),
        ("https://127.0.0.1:9/v1/traces", {}, False),
        ("http://collector.test/v1/traces", {"http_proxy": "http://127.0.0.1:3128"}, False),
        ("http://collector.test/v1/traces", {"http_proxy": "http://127.0.0.1:3128", "no_proxy": "*"}, True),
    ],
)
def test_only_what_goes_to_a_plain_url_by_no_proxy_is_sent_by_urllib3(
    endpoint: str, variables: dict[str, str], plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_plain(HttpSpanExporter(endpoint=endpoint)) is plain


def test_a_session_of_somebody_elses_is_not_replaced() -> None:
    class Theirs(Session):
        """A credential provider's."""

    assert not is_plain(HttpSpanExporter(endpoint="http://127.0.0.1:9/v1/traces", session=Theirs()))


def test_an_http_exporter_sends_by_urllib3() -> None:
    with collector("http/protobuf") as received:
        exporter = HttpSpanExporter(endpoint=f"{received.url}/v1/traces")
        send_by_urllib3(exporter)
        assert (
            exporter.export([ReadableSpan("sent", context=INVALID_SPAN_CONTEXT)]) is SpanExportResult.SUCCESS
        )
        exporter.shutdown()  # type: ignore[no-untyped-call]
    assert [each.name for each in received.spans] == ["sent"]


def test_a_grpc_exporter_sends_what_its_data_is_translated_to() -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add().name = "translated"
    with collector("grpc") as received:
        exporter = GrpcSpanExporter(endpoint=received.url)
        translate_by(exporter, lambda _: request, TraceServiceStub)
        assert exporter.export([ReadableSpan("not this")]) is SpanExportResult.SUCCESS
        exporter.shutdown()
    assert [each.name for each in received.spans] == ["translated"]


def test_what_an_exporter_is_answered_can_be_looked_at_on_its_way() -> None:
    answers: list[Any] = []

    def watch(request: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            answers.append(request(*arguments, **options))
            return answers[-1]

        return watched

    with collector("http/protobuf") as received:
        exporter = HttpSpanExporter(endpoint=f"{received.url}/v1/traces")
        watch_http(exporter, watch)
        send = http_send(exporter)
        assert send is not None
        assert send(b"").success
        exporter.shutdown()  # type: ignore[no-untyped-call]
    (answer,) = answers
    assert (answer.status_code, answer.reason, answer.error, answer.content()) == (200, "OK", None, b"")


def test_the_stub_of_a_grpc_exporter_can_be_replaced() -> None:
    class Stub:
        def __init__(self, stub: Any) -> None:
            self.stub = stub

        def Export(self, **options: Any) -> Any:  # noqa: N802
            answers.append(self.stub.Export(**options))
            return answers[-1]

    answers: list[Any] = []
    with collector("grpc") as received:
        exporter = GrpcSpanExporter(endpoint=received.url)
        watch_grpc(exporter, Stub)
        exporter._initialize_channel_and_stub()  # type: ignore[no-untyped-call]  # as after a break
        assert exporter.export([]) is SpanExportResult.SUCCESS
        exporter.shutdown()
    (answer,) = answers
    assert answer.SerializeToString() == b""


def test_an_exporter_of_metrics_has_the_preferences_that_the_variables_give_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    temporality, aggregation = preferences(OTLPMetricExporter(endpoint="http://127.0.0.1:9/v1/metrics"))
    assert temporality[Histogram] is AggregationTemporality.DELTA
    assert Histogram in aggregation


def test_the_default_propagator_is_known_and_no_other_is() -> None:
    assert is_w3c(propagate._load_propagators())
    assert not is_w3c(CompositePropagator([TraceContextTextMapPropagator()]))
    assert not is_w3c(TraceContextTextMapPropagator())


def test_a_reader_gets_what_is_added_whether_its_provider_has_anything_or_not() -> None:
    given: list[MetricsData | None] = []
    added = MetricsData([])

    def add(collected: MetricsData | None) -> MetricsData:
        given.append(collected)
        return added

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    add_to_collected(reader, add)
    assert reader.get_metrics_data() is added
    provider.get_meter("test").create_counter("count").add(1)
    assert reader.get_metrics_data() is added
    assert given[0] is None
    assert given[1] is not None
