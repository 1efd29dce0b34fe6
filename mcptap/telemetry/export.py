"""Sending a recording to a collector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan, SpanLimits
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mcptap import __version__
from mcptap.errors import UpstreamError
from mcptap.telemetry import conventions as names
from mcptap.telemetry.collector import otlp_of
from mcptap.telemetry.grpc_core import loading_grpc
from mcptap.telemetry.limiting import is_limited, limited
from mcptap.telemetry.otlp import OtlpSpans
from mcptap.telemetry.recorded import About, Recording, spans_of
from mcptap.telemetry.refusing import refusing
from mcptap.telemetry.settings import Settings
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
        UsageError: A variable can't be meant.
        UpstreamError: The collector did not take them.
        CassetteError: A cassette can't be read.
    """
    otlp = otlp_of("traces", settings.url)
    with refusing("spans can't be sent"), loading_grpc():
        limits = SpanLimits()
        about = About(resource(), InstrumentationScope(names.SCOPE, __version__), settings.capture_content)
        outlet = OtlpSpans(otlp)
    destination = outlet.destination
    destination.unreachable = outlet.shutdown  # ends the exporter's retries: somebody waits for this
    sent = 0
    spans: Iterator[ReadableSpan] = chain.from_iterable(spans_of(cassette, about) for cassette in cassettes)
    if is_limited(limits):
        spans = (limited(span, limits) for span in spans)
    try:
        while batch := list(islice(spans, _BATCH)):
            if lost := outlet.send(batch):
                sent += len(batch) - lost
                what = f"{destination.name} did not take the spans: {destination.trouble} ({sent} were sent)"
                hint = f"see whether a collector takes {otlp.protocol} there (OTEL_EXPORTER_OTLP_PROTOCOL)"
                raise UpstreamError(what, hint)
            sent += len(batch)
    finally:
        outlet.shutdown()
    return sent
