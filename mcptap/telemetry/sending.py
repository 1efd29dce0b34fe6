"""Exporters that may fail, hang or be slow without anybody noticing but one line on stderr a minute."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

from mcptap.telemetry.batching import Batching, limits_of
from mcptap.telemetry.destination import Destination
from mcptap.telemetry.direct import DirectSpan
from mcptap.telemetry.otlp import Outlet
from mcptap.telemetry.private import preferences
from mcptap.telemetry.refusing import reason_of

_BETWEEN_LINES: Final = 60.0
_LAST_CHANCE: Final = 0.75
_LEAST_CHANCE: Final = 0.35


class Pace:
    """Lets a line pass if none has in the last minute.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._passed: float | None = None
        self._lock = threading.Lock()

    def passes(self) -> bool:
        """Whether a line may be said now; then the next one may not for a minute."""
        with self._lock:
            now = self._clock()
            if self._passed is not None and now - self._passed < _BETWEEN_LINES:
                return False
            self._passed = now
            return True


_pace: Final = Pace()


class Complaints:
    """Says what goes wrong, at most once a minute.

    Args:
        report: Takes the line.
        service: Whose telemetry it is, where mcptap stands for several services.
        pace: Holds lines back; all complaints of a process have one.
    """

    def __init__(self, report: Callable[[str], None], service: str | None = None, pace: Pace = _pace) -> None:
        self._report = report
        self._beginning = "telemetry" if service is None else f"telemetry of {service}"
        self._pace = pace
        self._summing_up = False

    def say(self, line: str) -> None:
        """Say it, unless something was said in the last minute, or all is summed up in the end."""
        if not self._summing_up and self._pace.passes():
            self._report(f"{self._beginning}: {line}")

    def sum_up(self) -> None:
        """Say nothing any more until `conclude`: what fails now is part of that."""
        self._summing_up = True

    def conclude(self, line: str) -> None:
        """Say it whatever was said before."""
        self._report(f"{self._beginning}: {line}")


class Delivery:
    """Batches spans for one exporter, and knows how many never arrived.

    Args:
        outlet: Sends them.
        complaints: Hears of failures.

    Attributes:
        take: Takes a span that has ended.
        hurry: Has what waits sent now.

    Raises:
        ValueError: A variable ``OTEL_BSP_…`` has no use.
    """

    def __init__(self, outlet: Outlet, complaints: Complaints) -> None:
        self._outlet = outlet
        self._complaints = complaints
        self._batching = Batching(self._send, limits_of(os.environ))
        self._delivered = 0
        self._why = ""
        self.take = self._batching.take
        self.hurry = self._batching.hurry

    @property
    def dropped(self) -> int:
        """How many spans were not delivered (yet)."""
        return self._batching.taken - self._delivered

    @property
    def trouble(self) -> str:
        """Where they should have arrived, and why they have not, as far as that is known."""
        destination = self._outlet.destination
        why = destination.trouble or self._why
        return f"{destination.name}: {why}" if why else destination.name

    def shutdown(self) -> None:
        """Send what is left; it may take as long as the exporter likes."""
        self._batching.shutdown()
        self._outlet.shutdown()

    def _send(self, spans: Sequence[DirectSpan]) -> None:
        destination = self._outlet.destination
        try:
            lost = self._outlet.send(spans)
        except Exception as error:  # noqa: BLE001 - what can't be encoded must not end the thread that sends
            lost, destination.trouble = len(spans), reason_of(error)
        self._delivered += len(spans) - lost
        if lost:
            self._why = destination.trouble
            self._complaints.say(f"{destination.name} did not take {counted(lost)}: {self._why}")


class WatchedMetrics(MetricExporter):
    """Sends metrics and tells of failures.

    Args:
        exporter: Sends them.
        destination: Where to.
        complaints: Hears of failures.
    """

    def __init__(self, exporter: MetricExporter, destination: Destination, complaints: Complaints) -> None:
        super().__init__(*preferences(exporter))
        self._exporter = exporter
        self._destination = destination
        self._complaints = complaints

    @property
    def trouble(self) -> str:
        """Where the last of them should have arrived, and why they have not; empty if they have."""
        destination = self._destination
        return f"{destination.name}: {destination.trouble}" if destination.trouble else ""

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **options: Any
    ) -> MetricExportResult:
        """Send metrics; see `MetricExporter.export`."""

        def send() -> bool:
            result = self._exporter.export(metrics_data, timeout_millis, **options)
            return result is MetricExportResult.SUCCESS

        destination = self._destination
        if not destination.lost(send, 1):
            return MetricExportResult.SUCCESS
        self._complaints.say(f"{destination.name} did not take the metrics: {destination.trouble}")
        return MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """See `MetricExporter.force_flush`."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **options: Any) -> None:
        """See `MetricExporter.shutdown`."""
        self._exporter.shutdown(timeout_millis, **options)


def counted(spans: int) -> str:
    """So many spans, in words."""
    return "1 span" if spans == 1 else f"{spans} spans"


def sum_up(deliveries: Sequence[Delivery], metrics: Sequence[WatchedMetrics]) -> str:
    """What has not arrived in the end, where it should have, and why; empty if all has."""
    dropped = sum(delivery.dropped for delivery in deliveries)
    unsent = [each.trouble for each in metrics if each.trouble]
    troubles = [*(each.trouble for each in deliveries if each.dropped), *unsent]
    if not troubles:
        return ""
    what = [*([counted(dropped)] if dropped else []), *(["the last metrics"] if unsent else [])]
    verb = "was" if what == ["1 span"] else "were"
    return f"{' and '.join(what)} {verb} dropped: {troubles[0]}"


class Ending:
    """The end, which begins when the clients have left: while the server ends, what there is can be sent.

    Args:
        deliveries: What there is of spans.
        clock: Seconds, monotonic.
    """

    def __init__(self, deliveries: Sequence[Delivery], clock: Callable[[], float] = time.monotonic) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._began: float | None = None

    def begin(self) -> None:
        """Begin it, if it has not begun."""
        if self._began is None:
            self._began = self._clock()
            for delivery in self._deliveries:
                delivery.hurry()

    def patience(self) -> float:
        """How many seconds it may go on."""
        over = 0.0 if self._began is None else self._clock() - self._began
        return max(_LEAST_CHANCE, _LAST_CHANCE - over)


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
