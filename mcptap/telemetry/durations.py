"""The histograms of durations, counted up by mcptap itself and handed to OpenTelemetry's readers.

Two are recorded for every request, and the SDK takes as long for one of them as for both spans. What it
knows beyond the default (deltas, exponential buckets, other exemplars) is left to it: see `can_count`.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

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
from mcptap.telemetry.operation import NOTHING, SUCCESS, Attribute, Attributes, Ending, Operation
from mcptap.telemetry.span import SECOND, SERVER, Span

_BOUNDS: Final = tuple(float(each) for each in names.DURATION_BOUNDARIES)
_ENDS: Final = (*_BOUNDS, float("inf"))
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

    def add(self, durations: Sequence[float]) -> int:
        """Add some; gives how many buckets they fall into."""
        ordered = sorted(durations)
        self.sum += sum(ordered)
        self.min, self.max = min(self.min, ordered[0]), max(self.max, ordered[-1])
        counted = touched = 0
        for bucket, bound in enumerate(_ENDS):
            last = bisect_right(ordered, bound, counted)
            if last > counted:
                self.counts[bucket] += last - counted
                counted, touched = last, touched + 1
                if last == len(ordered):
                    break
        return touched

    def show(self, spans: Sequence[Span], ahead: int, touched: int) -> None:
        """Keep the last of the spans in each of so many buckets."""
        found: dict[int, tuple[float, int, Span]] = {}
        for span in reversed(spans):
            if span.recording:
                found.setdefault(bisect_left(_BOUNDS, span.seconds), (span.seconds, span.ended + ahead, span))
                if len(found) == touched:
                    break
        self.exemplars |= found

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
        lock: Is held while it changes.
    """

    def __init__(self, name: str, description: str, lock: threading.Lock) -> None:
        self._name = name
        self._description = description
        self._lock = lock
        self._series: dict[frozenset[tuple[str, Attribute]], _Series] = {}

    def record(self, seconds: float, operation: Operation, more: Attributes = NOTHING) -> None:
        """Record a duration; see `mcptap.telemetry.metrics.Durations`."""
        with self._lock:
            self._find(operation, more, time.time_ns()).add([seconds])

    def record_all(self, spans: Sequence[Span], operation: Operation, more: Attributes, ahead: int) -> None:
        """Record those of an operation that have ended alike, with the lock held.

        Args:
            spans: What they are, in the order in which they ended.
            operation: The operation.
            more: What is said of them beside that.
            ahead: How much more nanoseconds since 1970 are than those of `time.perf_counter_ns`.
        """
        series = self._find(operation, more, spans[0].ended + ahead)
        touched = series.add([(span.ended - span.started) / SECOND for span in spans])
        series.show(spans, ahead, touched)

    def _find(self, operation: Operation, more: Attributes, at: int) -> _Series:
        """The series of a duration; beyond 2000 it is one of the rest, as in the SDK."""
        attributes: Attributes = {**operation.attributes, **more}
        key = frozenset(attributes.items())
        if key not in self._series and len(self._series) >= _MOST_SERIES:
            attributes = _OVERFLOW
            key = frozenset(attributes.items())
        return self._series.setdefault(key, _Series(attributes, at))

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
        histograms: All of them, by name.
    """

    resource: Resource
    scope: InstrumentationScope
    histograms: dict[str, CountedHistogram] = field(default_factory=dict)
    _counts: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def histogram(self, name: str, description: str) -> CountedHistogram:
        """Make a histogram."""
        made = self.histograms[name] = CountedHistogram(name, description, self._lock)
        return made

    def measure_by(self, server: str, client: str) -> Callable[[Span], None]:
        """See `mcptap.telemetry.metrics.Histograms`."""
        waiting: deque[Span] = deque()
        of_server, of_client = self.histograms[server], self.histograms[client]

        def count() -> None:
            alike: defaultdict[tuple[CountedHistogram, Operation, Ending | None], list[Span]]
            alike = defaultdict(list)
            ahead = time.time_ns() - time.perf_counter_ns()
            with self._lock:
                for span in [waiting.popleft() for _ in range(len(waiting))]:
                    histogram = of_server if span.kind is SERVER else of_client
                    ending = None if span.ending is SUCCESS else span.ending
                    alike[histogram, span.operation, ending].append(span)
                for (histogram, operation, ending), spans in alike.items():
                    more = NOTHING if ending is None else ending.metric_attributes()
                    histogram.record_all(spans, operation, more, ahead)

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
        found = [metric for each in self.histograms.values() if (metric := each.metric(now)) is not None]
        if not found:
            return collected
        if collected is None:  # else there is something in it, of the one scope that mcptap has
            ours = ScopeMetrics(self.scope, found, "")
            return MetricsData([ResourceMetrics(self.resource, [ours], "")])
        about, *rest = collected.resource_metrics
        scope, *others = about.scope_metrics
        scope = replace(scope, metrics=[*found, *scope.metrics])
        return MetricsData([replace(about, scope_metrics=[scope, *others]), *rest])
