"""What telemetry there is: a tracer, instruments, or both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from opentelemetry import metrics, trace

from mcptap import __version__
from mcptap.exchange import Session
from mcptap.model import Json
from mcptap.protocol import VERSION_META
from mcptap.telemetry import conventions as names
from mcptap.telemetry.metrics import Instruments
from mcptap.telemetry.tracing import ApplicationTracing, Tracing

Redact: TypeAlias = Callable[[Json], Json]


@dataclass(slots=True, eq=False)
class Telemetry:
    """Where spans and metrics go.

    Attributes:
        tracing: Opens spans; ``None`` where there are none.
        instruments: Measure; ``None`` where nothing does.
        capture_content: Whether arguments and results are shown.
        redact: Takes the secrets out of params or a result, as from a cassette.
        scrape: Gives the metrics of this moment, where Prometheus is to fetch them.
        close: Sends what is left and ends.
    """

    tracing: Tracing | None = None
    instruments: Instruments | None = None
    capture_content: bool = False
    redact: Redact = lambda value: value
    scrape: Callable[[str], tuple[bytes, str]] | None = None
    close: Callable[[], None] = lambda: None

    @property
    def on(self) -> bool:
        """Whether anything goes anywhere."""
        return self.tracing is not None or self.instruments is not None


def version_of(session: Session, meta: Mapping[str, Any]) -> str | None:
    """The protocol version of a request: its ``_meta`` says so, or its session has agreed on one."""
    if session.era == "handshake":
        return session.version
    version = meta.get(VERSION_META)
    return version if isinstance(version, str) else None


def agree(session: Session, result: Json) -> None:
    """Note the version that the result of an ``initialize`` names."""
    version = result.get("protocolVersion")
    if isinstance(version, str):
        session.version = version


def of_application() -> Telemetry:
    """What goes to the providers that the application has set; off where it has set none."""
    tracer_provider, meter_provider = trace.get_tracer_provider(), metrics.get_meter_provider()
    sdk = sys.modules.get("opentelemetry.sdk.metrics")
    return _of_providers(
        None
        if isinstance(tracer_provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider)
        else tracer_provider,
        meter_provider if sdk is not None and isinstance(meter_provider, sdk.MeterProvider) else None,
    )


@lru_cache(maxsize=4)
def _of_providers(
    tracer_provider: trace.TracerProvider | None, meter_provider: metrics.MeterProvider | None
) -> Telemetry:
    """The telemetry of two providers: it knows sessions, and instruments are made once."""
    telemetry = Telemetry()
    if tracer_provider is not None:
        from mcptap.telemetry.quiet import keep_sdk_quiet  # noqa: PLC0415 - only if it is on

        keep_sdk_quiet()
        telemetry.tracing = ApplicationTracing(tracer_provider.get_tracer(names.SCOPE, __version__))
    if meter_provider is not None:
        telemetry.instruments = Instruments(meter_provider.get_meter(names.SCOPE, __version__))
    return telemetry
