"""The histograms of durations, counted up by mcptap itself and handed to OpenTelemetry's readers.

Two are recorded for every request, and the SDK takes as long for one of them as for both spans. What it
knows beyond the default (deltas, exponential buckets, other exemplars) is left to it: see `can_count`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mcptap.telemetry import conventions as names
from mcptap.telemetry.operation import NOTHING, SUCCESS, Attribute, Attributes, Operation
from mcptap.telemetry.span import SERVER, Span

if TYPE_CHECKING:
    from mcptap.telemetry.metrics import Durations

_BOUNDS: Final = tuple(float(each) for each in names.DURATION_BOUNDARIES)
_MOST_SERIES: Final = 2000
_MOST_WAITING: Final = 256
_OVERFLOW: Final[Mapping[str, Attribute]] = {"otel.metric.overflow": True}
_DEFAULTS: Final[Mapping[str, str]] = {
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "cumulative",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "explicit_bucket_histogram",
    "OTEL_METRICS_EXEMPLAR_FILTER": "trace_based",
}


def can_count(environment: Mapping[str, str]) -> bool:
    """Whether the variables ask for nothing but what these histograms are."""
    return all(
        environment.get(variable, "").strip().lower() in {"", default}
        for variable, default in _DEFAULTS.items()
    )


@dataclass(slots=True, eq=False)
class _Series:
    """The durations with the same attributes, in seconds; the last one of each bucket has its span kept."""

    attributes: Attributes
    started: int
    counts: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))
    sum: float = 0.0
    min: float = float("inf")
    max: float = 0.0
    exemplars: dict[int, tuple[float, int, Span]] = field(default_factory=dict)

    def point(self, now: int) -> HistogramDataPoint:
        seen, self.exemplars = self.exemplars, {}
        exemplars = [
            Exemplar({}, seconds, at, int(span.span_id, 16), int(span.trace_id, 16))
            for seconds, at, span in seen.values()
        ]
        return HistogramDataPoint(
            attributes=dict(self.attributes),
            start_time_unix_nano=self.started,
            time_unix_nano=now,
            count=sum(self.counts),
            sum=self.sum,
            bucket_counts=tuple(self.counts),
            explicit_bounds=_BOUNDS,
            min=self.min,
            max=self.max,
            exemplars=exemplars,
        )


class CountedHistogram:
    """One histogram (`mcptap.telemetry.metrics.Durations`).

    Args:
        name: Its name.
        description: What it measures.
    """

    def __init__(self, name: str, description: str) -> None:
        self._name = name
        self._description = description
        self._series: dict[frozenset[tuple[str, Attribute]], _Series] = {}
        self._of_operation: dict[Operation, _Series] = {}
        self._lock = threading.Lock()

    def record(
        self,
        seconds: float,
        operation: Operation,
        more: Attributes = NOTHING,
        span: Span | None = None,
        at: int | None = None,
    ) -> None:
        """Record a duration; beyond 2000 different attributes it is one of the rest, as in the SDK."""
        if at is None:
            at = time.time_ns()
        with self._lock:
            series = None if more else self._of_operation.get(operation)
            if series is None:
                series = self._find(operation, more, at)
            bucket = bisect_left(_BOUNDS, seconds)
            series.counts[bucket] += 1
            series.sum += seconds
            if seconds < series.min:  # noqa: PLR1730 - takes a third of the time
                series.min = seconds
            if seconds > series.max:  # noqa: PLR1730
                series.max = seconds
            if span is not None and span.recording:
                series.exemplars[bucket] = (seconds, at, span)

    def _find(self, operation: Operation, more: Attributes, at: int) -> _Series:
        attributes: Attributes = {**operation.attributes, **more}
        key = frozenset(attributes.items())
        if key not in self._series and len(self._series) >= _MOST_SERIES:
            attributes = _OVERFLOW
            key = frozenset(attributes.items())
        series = self._series.setdefault(key, _Series(attributes, at))
        if not more:
            if len(self._of_operation) >= _MOST_SERIES:
                self._of_operation.clear()
            self._of_operation[operation] = series
        return series

    def metric(self, now: int) -> Metric | None:
        """What has been recorded so far; ``None`` if nothing has."""
        with self._lock:
            points = [series.point(now) for series in self._series.values()]
        if not points:
            return None
        data = Histogram(points, AggregationTemporality.CUMULATIVE)
        return Metric(self._name, self._description, "s", data)


@dataclass(frozen=True, slots=True)
class Counted:
    """The histograms of one scope, beside what the SDK collects.

    Spans are counted many at once, which takes a fraction of the time that each would take when it ends.

    Attributes:
        resource: What is said of mcptap.
        scope: The instrumentation scope.
        histograms: All of them.
    """

    resource: Resource
    scope: InstrumentationScope
    histograms: list[CountedHistogram] = field(default_factory=list)
    _counts: list[Callable[[], None]] = field(default_factory=list)

    def histogram(self, name: str, description: str) -> CountedHistogram:
        """Make a histogram."""
        made = CountedHistogram(name, description)
        self.histograms.append(made)
        return made

    def measure_by(self, server: Durations, client: Durations) -> Callable[[Span], None]:
        """See `mcptap.telemetry.metrics.Histograms`."""
        waiting: deque[Span] = deque()

        def count() -> None:
            ahead = time.time_ns() - time.perf_counter_ns()
            with contextlib.suppress(IndexError):  # another thread may take some of them
                while True:
                    span = waiting.popleft()
                    histogram = server if span.kind is SERVER else client
                    more = NOTHING if span.ending is SUCCESS else span.ending.metric_attributes()
                    histogram.record(span.seconds, span.operation, more, span, span.ended + ahead)

        def measure(span: Span) -> None:
            waiting.append(span)
            if len(waiting) >= _MOST_WAITING:
                count()

        self._counts.append(count)
        return measure

    def added_to(self, collected: MetricsData | None) -> MetricsData | None:
        """What the SDK has collected, and the histograms."""
        for count in self._counts:
            count()
        now = time.time_ns()
        found = [metric for each in self.histograms if (metric := each.metric(now)) is not None]
        if not found:
            return collected
        if collected is None:  # else there is something in it, of the one scope that mcptap has
            ours = ScopeMetrics(self.scope, found, "")
            return MetricsData([ResourceMetrics(self.resource, [ours], "")])
        about, *rest = collected.resource_metrics
        scope, *others = about.scope_metrics
        scope = replace(scope, metrics=[*found, *scope.metrics])
        return MetricsData([replace(about, scope_metrics=[scope, *others]), *rest])
