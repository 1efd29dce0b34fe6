"""From settings to a telemetry that sends: mcptap's own providers, which nobody else gets.

Because they are never set as the global ones, FastMCP's and the SDK's own spans go nowhere.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, Final, cast

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricExporter,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mcptap import __version__
from mcptap.errors import UsageError
from mcptap.telemetry import conventions as names
from mcptap.telemetry.direct import DirectSpan, DirectTracing
from mcptap.telemetry.durations import Counted, can_count
from mcptap.telemetry.metrics import Instruments
from mcptap.telemetry.otlp import span_exporter
from mcptap.telemetry.private import add_to_collected
from mcptap.telemetry.sending import Complaints, Delivery, WatchedMetrics, end_soon
from mcptap.telemetry.settings import Protocol, Settings, otlp_of
from mcptap.telemetry.telemetry import Telemetry, of_application

_OTLP: Final[Mapping[str, Protocol | None]] = {
    "otlp": None,
    "otlp_proto_grpc": "grpc",
    "otlp_proto_http": "http/protobuf",
}
_PROMETHEUS: Final = "prometheus"
_CONSOLE: Final = "console"
_UNKNOWN_SERVICE: Final = "unknown_service"


def set_up(settings: Settings, report: Callable[[str], None], service: str | None = None) -> Telemetry:
    """Make what is asked for ready to send.

    Args:
        settings: What is asked for.
        report: Takes lines for the user.
        service: The name of the service, where mcptap stands for several.

    Raises:
        UsageError: Something that is named is not there, or can't be used.
    """
    application = of_application()
    if application.on or settings.config_file is not None:
        found = application if application.on else _from_file(str(settings.config_file), report)
        found.capture_content = settings.capture_content
        return found
    complaints = Complaints(report)
    about = resource(service)
    try:
        deliveries = [
            Delivery(_span_exporter(name, settings.url), name, complaints) for name in settings.traces
        ]
        readers = [
            _metric_reader(name, settings.url, complaints) for name in settings.metrics if name != _PROMETHEUS
        ]
        scrape = None
        if _PROMETHEUS in settings.metrics:
            from mcptap.telemetry.prometheus import make_reader  # noqa: PLC0415 - an optional package

            reader, scrape = make_reader()
            readers.append(reader)
    except (ValueError, RuntimeError, OSError) as error:
        raise UsageError(f"telemetry can't be set up: {error}", "check the OTEL_ variables") from error
    tracing, instruments, provider = None, None, None
    if deliveries:
        scope = InstrumentationScope(names.SCOPE, __version__)
        tracing = DirectTracing(_taken_by(deliveries), about, scope, _sampler())
    if readers:
        provider = MeterProvider(readers, about, shutdown_on_exit=False)
        counted = _counted(settings, readers, about)
        instruments = Instruments(provider.get_meter(names.SCOPE, __version__), counted)

    def close() -> None:
        shutdowns = [delivery.shutdown for delivery in deliveries]
        end_soon([*shutdowns, *([provider.shutdown] if provider is not None else [])])
        dropped = sum(delivery.dropped for delivery in deliveries)
        if dropped:
            report(f"telemetry: {dropped} spans were dropped")

    return Telemetry(tracing, instruments, settings.capture_content, scrape=scrape, close=close)


def _taken_by(deliveries: Sequence[Delivery]) -> Callable[[DirectSpan], None]:
    if len(deliveries) == 1:
        return deliveries[0].take

    def take(span: DirectSpan) -> None:
        for delivery in deliveries:
            delivery.take(span)

    return take


def resource(service: str | None = None) -> Resource:
    """What the variables say of mcptap, which has a name of its own where they don't name it.

    Of several services each has its own name, and the variables' is what they are together.
    """
    found = Resource.create()
    if service is not None:
        together = str(found.attributes.get(SERVICE_NAME, ""))
        named = {SERVICE_NAME: service}
        if not together.startswith(_UNKNOWN_SERVICE):
            named[SERVICE_NAMESPACE] = together
        found = found.merge(Resource(named))
    if str(found.attributes.get(SERVICE_NAME, "")).startswith(_UNKNOWN_SERVICE):
        found = found.merge(Resource({SERVICE_NAME: names.SCOPE}))
    if SERVICE_VERSION not in found.attributes:
        found = found.merge(Resource({SERVICE_VERSION: __version__}))
    return found


def _span_exporter(name: str, url: str | None) -> SpanExporter:
    if name == _CONSOLE:
        return ConsoleSpanExporter(out=sys.stderr)
    if name in _OTLP:
        return span_exporter(otlp_of("traces", url), _OTLP[name])
    return cast("SpanExporter", _plugin("opentelemetry_traces_exporter", name, "OTEL_TRACES_EXPORTER")())


def _metric_exporter(name: str, url: str | None) -> MetricExporter:
    if name == _CONSOLE:
        return ConsoleMetricExporter(out=sys.stderr)
    otlp = otlp_of("metrics", url)
    if (_OTLP[name] or otlp.protocol) == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415 - slow
            OTLPMetricExporter as GrpcMetricExporter,
        )

        return GrpcMetricExporter(endpoint=otlp.endpoint)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

    return OTLPMetricExporter(endpoint=otlp.endpoint)


def _metric_reader(name: str, url: str | None, complaints: Complaints) -> MetricReader:
    if name == _CONSOLE or name in _OTLP:
        exporter: Any = _metric_exporter(name, url)
    else:
        exporter = _plugin("opentelemetry_metrics_exporter", name, "OTEL_METRICS_EXPORTER")()
        if isinstance(exporter, MetricReader):
            return exporter
    return PeriodicExportingMetricReader(WatchedMetrics(exporter, name, complaints))


def _counted(settings: Settings, readers: Sequence[MetricReader], about: Resource) -> Counted | None:
    """What counts durations up in the SDK's place, unless a reader may want something else of them."""
    if not can_count(os.environ) or not {*_OTLP, _PROMETHEUS, _CONSOLE}.issuperset(settings.metrics):
        return None
    counted = Counted(about, InstrumentationScope(names.SCOPE, __version__))
    for reader in readers:
        add_to_collected(reader, counted.added_to)
    return counted


def _sampler() -> Sampler:
    """The sampler of ``OTEL_TRACES_SAMPLER``; unlike the SDK, an unknown one is not passed over."""
    name = os.environ.get("OTEL_TRACES_SAMPLER", "").strip()
    if not name:
        return DEFAULT_ON
    argument: Any = os.environ.get("OTEL_TRACES_SAMPLER_ARG")
    if name in {"traceidratio", "parentbased_traceidratio"}:
        try:
            argument = float(argument) if argument else 1.0
        except ValueError:
            raise UsageError(f"OTEL_TRACES_SAMPLER_ARG {argument!r} is no number from 0 to 1") from None
    try:
        return cast("Sampler", _plugin("opentelemetry_traces_sampler", name, "OTEL_TRACES_SAMPLER")(argument))
    except ValueError as error:
        raise UsageError(f"OTEL_TRACES_SAMPLER_ARG {argument!r} can't be used: {error}") from None


def _plugin(group: str, name: str, variable: str) -> Any:
    """What a package has registered under a name, as OpenTelemetry's own packages do."""
    found = entry_points(group=group, name=name)
    if not found:
        known = sorted({each.name for each in entry_points(group=group)} | set(_also_known(group)))
        hint = f"installed are {', '.join(known)}"
        raise UsageError(f"{variable} names {name!r}, which is not installed", hint)
    return next(iter(found)).load()


def _also_known(group: str) -> tuple[str, ...]:
    return () if group.endswith("sampler") else ("console", "none", "otlp")


def _from_file(path: str, report: Callable[[str], None]) -> Telemetry:
    """Have OpenTelemetry's own package set up what a configuration file says, and use that."""
    from opentelemetry import metrics, trace  # noqa: PLC0415 - only for a file

    try:
        from opentelemetry.configuration import configure_sdk, load_config_file  # noqa: PLC0415
    except ImportError:
        hint = "install it: pip install 'mcptap[config-file]'"
        raise UsageError("OTEL_CONFIG_FILE needs the package opentelemetry-configuration", hint) from None
    try:
        # A console exporter writes to what is stdout when it is made.
        with contextlib.redirect_stdout(sys.stderr):
            configure_sdk(load_config_file(path))
    except Exception as error:
        why = " ".join(str(error).split())
        raise UsageError(f"OTEL_CONFIG_FILE {path} can't be used: {why}", "correct it") from error
    telemetry = of_application()
    providers = (trace.get_tracer_provider(), metrics.get_meter_provider())

    def close() -> None:
        if not end_soon([each.shutdown for each in providers if hasattr(each, "shutdown")]):
            report("telemetry: what was left could not be sent in time")

    telemetry.close = close
    return telemetry
