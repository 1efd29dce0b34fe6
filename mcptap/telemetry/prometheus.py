"""Metrics as Prometheus reads them, at ``/metrics`` of an HTTP front."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.to_thread
from opentelemetry.sdk.metrics.export import MetricReader
from starlette.requests import Request
from starlette.responses import Response

from mcptap.errors import UsageError
from mcptap.telemetry.settings import METRICS_PATH

if TYPE_CHECKING:
    from mcptap.tap.app import Tap

Scrape: TypeAlias = Callable[[str], tuple[bytes, str]]
"""Gives the metrics of this moment and their content type, for an ``Accept`` header."""


def make_reader() -> tuple[MetricReader, Scrape]:
    """Make a reader of metrics, and what gives them out.

    Raises:
        UsageError: The packages for it aren't installed.
    """
    try:
        from opentelemetry.exporter.prometheus import PrometheusMetricReader  # noqa: PLC0415 - optional
        from prometheus_client import CollectorRegistry  # noqa: PLC0415
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415
    except ImportError:
        hint = "install them: pip install 'mcptap[prometheus]'"
        raise UsageError("metrics for Prometheus need packages that are not installed", hint) from None
    registry = CollectorRegistry()

    def scrape(accept: str) -> tuple[bytes, str]:
        encoder, content_type = choose_encoder(accept)
        return encoder(registry), content_type

    return PrometheusMetricReader(registry=registry), scrape


def serve_metrics(tap: Tap, scrape: Scrape) -> None:
    """Serve ``/metrics`` beside the endpoint, behind the same checks of Host and Origin."""

    async def metrics(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        body, content_type = await anyio.to_thread.run_sync(scrape, accept)
        return Response(body, headers={"content-type": content_type})

    route: Any = tap.custom_route(METRICS_PATH, methods=["GET"], include_in_schema=False)
    route(metrics)
