"""From settings to a telemetry that sends: mcptap's own providers, which nobody else gets.

Because they are never set as the global ones, FastMCP's and the SDK's own spans go nowhere.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, Final, cast

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mcptap import __version__
from mcptap.errors import UsageError
from mcptap.telemetry import conventions as names
from mcptap.telemetry.batching import positive
from mcptap.telemetry.collector import OTLP_EXPORTERS, otlp_of
from mcptap.telemetry.complaints import Complaints
from mcptap.telemetry.destination import Destination
from mcptap.telemetry.direct import DirectSpan, DirectTracing
from mcptap.telemetry.durations import Counted, can_count
from mcptap.telemetry.ending import Ending, end_soon, sum_up
from mcptap.telemetry.grpc_core import loading_grpc
from mcptap.telemetry.metrics import Instruments
from mcptap.telemetry.otlp import OfExporter, OtlpSpans, Outlet, otlp_metrics
from mcptap.telemetry.private import add_to_collected
from mcptap.telemetry.refusing import refusing
from mcptap.telemetry.sending import Delivery, WatchedMetrics
from mcptap.telemetry.settings import PROMETHEUS, Settings
from mcptap.telemetry.telemetry import Telemetry, of_application

_CONSOLE: Final = "console"
_UNKNOWN_SERVICE: Final = "unknown_service"
_REFUSED: Final = "telemetry can't be set up"


def set_up(settings: Settings, report: Callable[[str], None], service: str | None = None) -> Telemetry:
    """Make what is asked for ready to send.

    Args:
        settings: What is asked for.
        report: Takes lines for the user.
        service: The name of the service, where mcptap stands for several.

    Raises:
        UsageError: Something that is named is not there, or can't be used.
    """
    with refusing(_REFUSED), loading_grpc():
        application = of_application()
        if settings.config_file is not None or (application.on and not settings.needs_own):
            found = application if application.on else _from_file(str(settings.config_file), report)
            found.capture_content = settings.capture_content
            return found
        return _own(settings, Complaints(report, service), resource(service))


def _own(settings: Settings, complaints: Complaints, about: Resource) -> Telemetry:
    deliveries = [Delivery(_outlet(name, settings.url), complaints) for name in settings.traces]
    readers: list[MetricReader] = []
    watched: list[WatchedMetrics] = []
    for name in settings.metrics:
        if name != PROMETHEUS:
            exporter = _metric_exporter(name, settings.url, complaints)
            if isinstance(exporter, WatchedMetrics):
                watched.append(exporter)
                exporter = _periodic(exporter)
            readers.append(exporter)
    scrape = None
    if PROMETHEUS in settings.metrics:
        from mcptap.telemetry.prometheus import make_reader  # noqa: PLC0415 - an optional package

        reader, scrape = make_reader()
        readers.append(reader)
    tracing, instruments, provider = None, None, None
    if deliveries:
        scope = InstrumentationScope(names.SCOPE, __version__)
        tracing = DirectTracing(_taken_by(deliveries), about, scope, _sampler())
    if readers:
        provider = MeterProvider(readers, about, shutdown_on_exit=False)
        counted = _counted(settings, readers, about)
        instruments = Instruments(provider.get_meter(names.SCOPE, __version__), counted)

    ending = Ending(deliveries)

    def close() -> None:
        complaints.sum_up()
        shutdowns = [delivery.shutdown for delivery in deliveries]
        end_soon([*shutdowns, *([provider.shutdown] if provider is not None else [])], ending.patience())
        if summary := sum_up(deliveries, watched):
            complaints.conclude(summary)

    return Telemetry(
        tracing, instruments, settings.capture_content, scrape=scrape, ending=ending.begin, close=close
    )


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


def _outlet(name: str, url: str | None) -> Outlet:
    if name == _CONSOLE:
        return OfExporter(ConsoleSpanExporter(out=sys.stderr), name)
    if name in OTLP_EXPORTERS:
        return OtlpSpans(otlp_of("traces", url, exporter=name))
    exporter = _plugin("opentelemetry_traces_exporter", name, "OTEL_TRACES_EXPORTER", lambda made: made())
    return OfExporter(exporter, name)


def _metric_exporter(name: str, url: str | None, complaints: Complaints) -> WatchedMetrics | MetricReader:
    """An exporter, or what a package has registered as one though it reads by itself."""
    if name == _CONSOLE:
        return WatchedMetrics(ConsoleMetricExporter(out=sys.stderr), Destination(name), complaints)
    if name in OTLP_EXPORTERS:
        return WatchedMetrics(*otlp_metrics(otlp_of("metrics", url, exporter=name)), complaints)

    def make(registered: Any) -> WatchedMetrics | MetricReader:
        made = registered()
        if isinstance(made, MetricReader):
            return made
        return WatchedMetrics(made, Destination(name), complaints)

    exporter: WatchedMetrics | MetricReader = _plugin(
        "opentelemetry_metrics_exporter", name, "OTEL_METRICS_EXPORTER", make
    )
    return exporter


def _periodic(exporter: WatchedMetrics) -> MetricReader:
    interval = positive(os.environ, "OTEL_METRIC_EXPORT_INTERVAL", 60_000)
    timeout = positive(os.environ, "OTEL_METRIC_EXPORT_TIMEOUT", 30_000)
    return PeriodicExportingMetricReader(exporter, interval, timeout)


def _counted(settings: Settings, readers: Sequence[MetricReader], about: Resource) -> Counted | None:
    """What counts durations up in the SDK's place, unless a reader may want something else of them."""
    known = {*OTLP_EXPORTERS, PROMETHEUS, _CONSOLE}
    if not can_count(os.environ) or not known.issuperset(settings.metrics):
        return None
    counted = Counted(about, InstrumentationScope(names.SCOPE, __version__))
    for reader in readers:
        add_to_collected(reader, counted.added_to)
    return counted


def _sampler() -> Sampler:
    """The sampler of ``OTEL_TRACES_SAMPLER``; unlike the SDK, an unknown one is not passed over."""
    name = os.environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if not name:
        return DEFAULT_ON
    argument: Any = os.environ.get("OTEL_TRACES_SAMPLER_ARG")
    if name in {"traceidratio", "parentbased_traceidratio"}:
        try:
            argument = float(argument) if argument else 1.0
        except ValueError:
            raise UsageError(f"OTEL_TRACES_SAMPLER_ARG {argument!r} is no number from 0 to 1") from None

    def make(registered: Any) -> Any:
        try:
            return registered(argument)
        except ValueError as error:
            raise UsageError(f"OTEL_TRACES_SAMPLER_ARG {argument!r} can't be used: {error}") from None

    return cast("Sampler", _plugin("opentelemetry_traces_sampler", name, "OTEL_TRACES_SAMPLER", make))


def _plugin(group: str, name: str, variable: str, make: Callable[[Any], Any]) -> Any:
    """What a package has registered under a name, as OpenTelemetry's own packages do, and what it makes."""
    registered = entry_points(group=group)
    found = [each for each in registered if each.name.lower() == name]
    if not found:
        known = sorted({each.name for each in registered} | set(_also_known(group)))
        hint = f"installed are {', '.join(known)}"
        raise UsageError(f"{variable} names {name!r}, which is not installed", hint)
    with refusing(f"{variable} names {name!r}, which can't be used", "correct or replace it"):
        return make(found[0].load())


def _also_known(group: str) -> tuple[str, ...]:
    return () if group.endswith("sampler") else ("console", "none", "otlp")


def _from_file(path: str, report: Callable[[str], None]) -> Telemetry:
    """Have OpenTelemetry's own package set up what a configuration file says, and use that."""
    from opentelemetry import metrics, trace  # noqa: PLC0415 - only for a file

    try:
        from opentelemetry.configuration import configure_sdk, load_config_file  # noqa: PLC0415
        from opentelemetry.configuration.models import Resource as ResourceConfig  # noqa: PLC0415
    except ImportError:
        hint = "install it: pip install 'mcptap[config-file]'"
        raise UsageError("OTEL_CONFIG_FILE needs the package opentelemetry-configuration", hint) from None
    with (
        refusing(f"OTEL_CONFIG_FILE {path} can't be used", "correct it"),
        contextlib.redirect_stdout(sys.stderr),
    ):  # of a console exporter: it writes to what is stdout now
        config = load_config_file(path)
        config.resource = _with_name(config.resource or ResourceConfig())
        configure_sdk(config)
    telemetry = of_application()
    providers = (trace.get_tracer_provider(), metrics.get_meter_provider())

    def close() -> None:
        if not end_soon([each.shutdown for each in providers if hasattr(each, "shutdown")]):
            report("telemetry: what was left could not be sent in time")

    telemetry.close = close
    return telemetry


def _with_name(config: Any) -> Any:
    """What a configuration file says of mcptap, which has its own name where the file gives it none."""
    from opentelemetry.configuration.models import AttributeNameValue  # noqa: PLC0415 - only for a file

    attributes = config.attributes or []
    listed = f",{config.attributes_list or ''}".replace(" ", "")
    unnamed = all(each.name != SERVICE_NAME or each.value is None for each in attributes)
    if unnamed and f",{SERVICE_NAME}=" not in listed:
        name = str(resource().attributes[SERVICE_NAME])
        config.attributes = [AttributeNameValue(name=SERVICE_NAME, value=name), *attributes]
    return config
