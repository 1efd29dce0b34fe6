"""Sending a recording to a collector."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import Final

from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mcptap import __version__
from mcptap.errors import UpstreamError
from mcptap.telemetry import conventions as names
from mcptap.telemetry.otlp import span_exporter
from mcptap.telemetry.recorded import About, Recording, spans_of
from mcptap.telemetry.settings import Settings, otlp_of
from mcptap.telemetry.setup import resource

_BATCH: Final = 512


def send(cassettes: Iterable[Recording], settings: Settings) -> int:
    """Send every recorded request of some cassettes as its spans, a batch at a time.

    Args:
        cassettes: The recordings.
        settings: Where to.

    Returns:
        How many spans were sent.

    Raises:
        UpstreamError: The collector did not take them.
        CassetteError: A cassette can't be read.
    """
    otlp = otlp_of("traces", settings.url)
    about = About(resource(), InstrumentationScope(names.SCOPE, __version__), settings.capture_content)
    exporter = span_exporter(otlp)
    sent = 0
    spans = chain.from_iterable(spans_of(cassette, about) for cassette in cassettes)
    try:
        while batch := list(islice(spans, _BATCH)):
            if exporter.export(batch) is not SpanExportResult.SUCCESS:
                hint = f"see whether it speaks {otlp.protocol}; OTEL_EXPORTER_OTLP_PROTOCOL chooses another"
                raise UpstreamError(f"{settings.url} did not take the spans ({sent} were sent)", hint)
            sent += len(batch)
    finally:
        exporter.shutdown()
    return sent
