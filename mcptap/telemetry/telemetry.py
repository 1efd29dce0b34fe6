"""What telemetry there is: a tracer, instruments, or both."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from opentelemetry import metrics, propagate, trace
from opentelemetry.propagators.textmap import TextMapPropagator

from mcptap import __version__
from mcptap.exchange import Session
from mcptap.model import Json
from mcptap.protocol import VERSION_META, meta_of
from mcptap.telemetry import conventions as names
from mcptap.telemetry.application import ApplicationTracing
from mcptap.telemetry.content import Redact
from mcptap.telemetry.context import Propagation
from mcptap.telemetry.metrics import Instruments
from mcptap.telemetry.refusing import refusing
from mcptap.telemetry.span import Begin, Span, Tracing


@dataclass(slots=True, eq=False)
class Telemetry:
    """Where spans and metrics go.

    Attributes:
        tracing: What spans are begun with; ``None`` where there are none.
        instruments: Measure; ``None`` where nothing does.
        capture_content: Whether arguments and results are shown.
        redact: Takes the secrets out of params or a result, as from a cassette.
        scrape: Gives the metrics of this moment, where Prometheus is to fetch them.
        ending: Begins to send what there is, when the clients have left.
        close: Sends what is left and ends.
        propagation: How context comes with messages, and goes on with them.
        begin: Begins a span, or what is measured where there are none.
        ambient: Whether others begin spans inside of it, by the context of their task.
        take: Is given spans that have ended, and
        measure: what has ended and is measured; ``None`` where nothing measures.
        asks: Whether there is more to find out of a span when it begins: what it shows, or who wants it.
    """

    tracing: Tracing | None = None
    instruments: Instruments | None = None
    capture_content: bool = False
    redact: Redact = lambda value: value
    scrape: Callable[[str], tuple[bytes, str]] | None = None
    ending: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None
    propagation: Propagation = field(default_factory=Propagation)
    begin: Begin = field(init=False)
    ambient: bool = field(init=False)
    take: Callable[[Any], None] = field(init=False, default=lambda _: None)
    measure: Callable[[Span], None] | None = field(init=False, default=None)
    asks: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        if self.tracing is None:
            self.begin, self.ambient = partial(Span, self), False
        else:
            self.begin, self.ambient = self.tracing.begins(self), self.tracing.ambient
            self.take = self.tracing.take
        if self.instruments is not None:
            self.measure = self.instruments.measure

    @property
    def on(self) -> bool:
        """Whether anything goes anywhere."""
        return self.tracing is not None or self.instruments is not None


def version_of(session: Session, params: Json | None) -> object:
    """The version that a session has agreed on, or that a request names."""
    return session.version if session.era == "handshake" else meta_of(params).get(VERSION_META)


def agree(session: Session, result: Json) -> None:
    """Note the version that the result of an ``initialize`` names."""
    version = result.get("protocolVersion")
    if isinstance(version, str):
        session.version = version


def of_application() -> Telemetry:
    """What goes to the providers that the application has set; off where it has set none.

    Raises:
        UsageError: A variable names one that can't be loaded.
    """
    with refusing("the providers of OTEL_PYTHON_TRACER_PROVIDER and …METER_PROVIDER can't be used"):
        tracer_provider, meter_provider = trace.get_tracer_provider(), metrics.get_meter_provider()
    sdk = sys.modules.get("opentelemetry.sdk.metrics")
    return _of_providers(
        propagate.get_global_textmap(),
        None
        if isinstance(tracer_provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider)
        else tracer_provider,
        meter_provider if sdk is not None and isinstance(meter_provider, sdk.MeterProvider) else None,
    )


@lru_cache(maxsize=4)
def _of_providers(
    textmap: TextMapPropagator,
    tracer_provider: trace.TracerProvider | None,
    meter_provider: metrics.MeterProvider | None,
) -> Telemetry:
    """The telemetry of two providers: it knows sessions, and instruments are made once."""
    tracing, instruments = None, None
    if tracer_provider is not None:
        from mcptap.telemetry.quiet import keep_sdk_quiet  # noqa: PLC0415 - only if it is on

        keep_sdk_quiet()
        tracing = ApplicationTracing(tracer_provider.get_tracer(names.SCOPE, __version__))
    if meter_provider is not None:
        instruments = Instruments(meter_provider.get_meter(names.SCOPE, __version__))
    return Telemetry(tracing, instruments, propagation=Propagation(textmap))
