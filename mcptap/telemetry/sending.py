"""Exporters that may fail, hang or be slow without anybody noticing but who hears complaints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

from mcptap.telemetry.batching import Batching, limits_of
from mcptap.telemetry.complaints import Complaints
from mcptap.telemetry.destination import Destination
from mcptap.telemetry.direct import DirectSpan
from mcptap.telemetry.otlp import Outlet
from mcptap.telemetry.private import preferences
from mcptap.telemetry.refusing import reason_of


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
