"""Exporters that may fail, hang or be slow without anybody noticing but one line on stderr a minute."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from mcptap.telemetry.batching import Batching, limits_of
from mcptap.telemetry.direct import DirectSpan
from mcptap.telemetry.otlp import DirectExporter
from mcptap.telemetry.private import preferences

_BETWEEN_LINES: Final = 60.0
_LAST_CHANCE: Final = 0.75


class Complaints:
    """Says what goes wrong, at most once a minute.

    Args:
        report: Takes the line.
        clock: Seconds, monotonic.
    """

    def __init__(self, report: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._said: float | None = None
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """Say it, unless something was said in the last minute."""
        with self._lock:
            now = self._clock()
            if self._said is not None and now - self._said < _BETWEEN_LINES:
                return
            self._said = now
        self._report(line)


class Delivery:
    """Batches spans for one exporter, and knows how many never arrived.

    Args:
        exporter: Sends them.
        name: What the user calls it.
        complaints: Hears of failures.

    Attributes:
        take: Takes a span that has ended.

    Raises:
        ValueError: A variable ``OTEL_BSP_…`` has no use.
    """

    def __init__(self, exporter: SpanExporter, name: str, complaints: Complaints) -> None:
        self._exporter = exporter
        self._name = name
        self._complaints = complaints
        self._batching = Batching(self._send, limits_of(os.environ))
        self._delivered = 0
        self.take = self._batching.take

    @property
    def dropped(self) -> int:
        """How many spans were not delivered (yet)."""
        return self._batching.taken - self._delivered

    def shutdown(self) -> None:
        """Send what is left; it may take as long as the exporter likes."""
        self._batching.shutdown()
        self._exporter.shutdown()

    def _send(self, spans: Sequence[DirectSpan]) -> None:
        why = ""
        try:
            result = self._exporter.export(self._in_its_form(spans))
        except Exception as error:  # noqa: BLE001 - an exporter's bug must not end the thread that sends
            result, why = SpanExportResult.FAILURE, f": {type(error).__name__}: {error}"
        if result is SpanExportResult.SUCCESS:
            self._delivered += len(spans)
        else:
            self._complaints.say(f"telemetry: {self._name} did not take {len(spans)} spans{why}")

    def _in_its_form(self, spans: Sequence[DirectSpan]) -> Sequence[ReadableSpan]:
        if isinstance(self._exporter, DirectExporter):
            return cast("Sequence[ReadableSpan]", spans)
        return [span.readable() for span in spans]


class WatchedMetrics(MetricExporter):
    """Sends metrics and tells of failures.

    Args:
        exporter: Sends them.
        name: What the user calls it.
        complaints: Hears of failures.
    """

    def __init__(self, exporter: MetricExporter, name: str, complaints: Complaints) -> None:
        super().__init__(*preferences(exporter))
        self._exporter = exporter
        self._name = name
        self._complaints = complaints

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **options: Any
    ) -> MetricExportResult:
        """Send metrics; see `MetricExporter.export`."""
        why = ""
        try:
            result = self._exporter.export(metrics_data, timeout_millis, **options)
        except Exception as error:  # noqa: BLE001 - see Delivery._send
            result, why = MetricExportResult.FAILURE, f": {type(error).__name__}: {error}"
        if result is not MetricExportResult.SUCCESS:
            self._complaints.say(f"telemetry: {self._name} did not take the metrics{why}")
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """See `MetricExporter.force_flush`."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **options: Any) -> None:
        """See `MetricExporter.shutdown`."""
        self._exporter.shutdown(timeout_millis, **options)


def end_soon(shutdowns: Sequence[Callable[[], object]], patience: float = _LAST_CHANCE) -> bool:
    """Shut down what may hang: each by a daemon thread, all within ``patience`` seconds.

    The SDK's own shutdown waits for a collector that is away for up to 19 s, whatever its timeout says.

    Returns:
        Whether all have come to their end.
    """
    threads = [threading.Thread(target=shutdown, daemon=True) for shutdown in shutdowns]
    until = time.monotonic() + patience
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
