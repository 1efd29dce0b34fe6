"""What mcptap counts up is what the SDK would have."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind

from mcptap.telemetry import durations
from mcptap.telemetry.direct import DirectTracing
from mcptap.telemetry.durations import Counted, can_count
from mcptap.telemetry.metrics import Instruments
from mcptap.telemetry.operation import Operation, operation_of
from mcptap.telemetry.private import add_to_collected
from mcptap.telemetry.telemetry import Telemetry

RESOURCE = Resource({"service.name": "test"})
SCOPE = InstrumentationScope("mcptap", "1")
OPERATIONS = {tool: Operation("", "", {"tool": tool}) for tool in "abc"}
RECORDED = st.lists(st.tuples(st.floats(0, 1000), st.sampled_from(["a", "b", "c"])), max_size=30)


class Measured:
    """Instruments and their reader."""

    def __init__(self, *, counted: bool) -> None:
        self.reader = InMemoryMetricReader()
        provider = MeterProvider([self.reader], RESOURCE, shutdown_on_exit=False)
        ours = Counted(RESOURCE, SCOPE) if counted else None
        if ours is not None:
            add_to_collected(self.reader, ours.added_to)
        self.instruments = Instruments(provider.get_meter("mcptap", "1"), ours)

    def metrics(self) -> dict[str, Any]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        ((scope,),) = [each.scope_metrics for each in data.resource_metrics]
        assert scope.scope.name == "mcptap"
        assert data.resource_metrics[0].resource == RESOURCE
        return {each.name: each for each in scope.metrics}


@given(st.lists(RECORDED, min_size=1, max_size=3), st.booleans())
def test_histograms_are_those_of_the_sdk(rounds: list[list[tuple[float, str]]], watched: bool) -> None:
    both = [Measured(counted=True), Measured(counted=False)]
    for measured in both:
        if watched:
            measured.instruments.watch("mcptap.recording.size", lambda: 7)
    for recorded in rounds:
        for measured in both:
            for seconds, tool in recorded:
                measured.instruments.server_operation.record(seconds, OPERATIONS[tool])
                if seconds > 10:
                    measured.instruments.server_operation.record(seconds, OPERATIONS[tool], {"error": "x"})
        ours, theirs = (measured.metrics() for measured in both)
        assert set(ours) == set(theirs)
        for name, metric in theirs.items():
            assert (ours[name].unit, ours[name].description) == (metric.unit, metric.description)
        if (metric := theirs.get("mcp.server.operation.duration")) is None:
            continue
        _compare(ours[metric.name].data, metric.data)


def _compare(ours: Any, theirs: Any) -> None:
    assert ours.aggregation_temporality is theirs.aggregation_temporality
    points = {tuple(sorted(each.attributes.items())): each for each in ours.data_points}
    assert len(points) == len(ours.data_points) == len(theirs.data_points)
    for point in theirs.data_points:
        same = points[tuple(sorted(point.attributes.items()))]
        for what in ("attributes", "count", "bucket_counts", "explicit_bounds", "min", "max"):
            assert getattr(same, what) == getattr(point, what), what
        assert same.sum == pytest.approx(point.sum)
        assert same.start_time_unix_nano <= same.time_unix_nano


def test_attributes_that_never_end_are_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "_MOST_SERIES", 2)
    measured = Measured(counted=True)
    for number in range(5):
        measured.instruments.server_operation.record(1.0, Operation("", "", {"tool": str(number)}))
    metric = measured.metrics()["mcp.server.operation.duration"]
    counts = {tuple(each.attributes.items()): each.count for each in metric.data.data_points}
    assert counts == {(("tool", "0"),): 1, (("tool", "1"),): 1, (("otel.metric.overflow", True),): 3}


def test_the_last_sampled_span_of_a_bucket_is_its_exemplar_until_it_is_collected() -> None:
    measured, operation = Measured(counted=True), operation_of("ping", None, None, "stdio")

    def span(sampler: Any, seconds: float) -> Any:
        telemetry = Telemetry(DirectTracing(lambda _: None, RESOURCE, SCOPE, sampler), measured.instruments)
        span = telemetry.begin(SpanKind.SERVER, operation, None, Context())
        span.started -= int(seconds * 1e9)
        span.end()
        return span

    long = span(ALWAYS_ON, 20.0)
    _, last, _ = span(ALWAYS_ON, 0.3), span(ALWAYS_ON, 0.3), span(ALWAYS_OFF, 0.3)
    before = time.time_ns()

    def exemplars() -> list[Any]:
        (point,) = measured.metrics()["mcp.server.operation.duration"].data.data_points
        assert point.count == 4
        return sorted(point.exemplars, key=lambda each: each.value)

    for exemplar, one in zip(exemplars(), (last, long), strict=True):
        assert exemplar.value == one.seconds
        assert f"{exemplar.span_id:016x}" == one.span_id
        assert f"{exemplar.trace_id:032x}" == one.trace_id
        assert 0 <= before - exemplar.time_unix_nano < 60e9
    assert exemplars() == []


@pytest.mark.parametrize(
    ("variable", "value", "ours"),
    [
        ("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based", True),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "always_off", False),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "CUMULATIVE", True),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", False),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "lowmemory", False),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
         "base2_exponential_bucket_histogram", False),
        ("OTEL_SERVICE_NAME", "delta", True),
    ],
)  # fmt: skip
def test_what_is_not_the_default_is_left_to_the_sdk(variable: str, value: str, *, ours: bool) -> None:
    assert can_count({variable: value}) is ours
