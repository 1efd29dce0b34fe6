"""The options for telemetry, and what they and the environment ask for."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from mcptap.errors import UsageError

if TYPE_CHECKING:
    from mcptap.cli.options import Front
    from mcptap.telemetry.settings import Settings
    from mcptap.telemetry.telemetry import Telemetry

_PROPAGATORS: Final = "OTEL_PROPAGATORS"
_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class TelemetryOptions:
    """What the command line says of telemetry.

    Attributes:
        otlp: An endpoint to send to.
        no_telemetry: Whether nothing is to be sent, whatever the environment says.
        metrics: Whether to serve ``/metrics``.
        capture_content: Whether spans show arguments and results.
    """

    otlp: str | None
    no_telemetry: bool
    metrics: bool
    capture_content: bool

    def set_up(self, front: Front, service: str | None = None) -> Telemetry:
        """Make it ready. Call it before FastMCP is imported.

        Args:
            front: Where clients come in.
            service: What this is called, where mcptap stands for several services.

        Raises:
            UsageError: It can't be done as it is put.
        """
        from mcptap.telemetry.settings import PROMETHEUS, settings  # noqa: PLC0415 - not for --help

        asked = settings(
            url=self.otlp,
            off=self.no_telemetry,
            serve_metrics=self.metrics,
            capture_content=self.capture_content,
        )
        if PROMETHEUS in asked.metrics:
            _require_room_for_metrics(front)
        import_propagators(needed=asked.on)
        keep_providers_out(asked)
        from mcptap.telemetry.telemetry import Telemetry  # noqa: PLC0415 - not for --help

        if not asked.on:
            return Telemetry()
        from mcptap.telemetry.refusing import refusing  # noqa: PLC0415 - not for --help

        # As it is imported, the SDK reads variables, and its console exporters take what is stdout then.
        with contextlib.redirect_stdout(sys.stderr), refusing("telemetry can't be set up"):
            from mcptap.telemetry.setup import set_up  # noqa: PLC0415

        from mcptap.tap.app import report_to_stderr  # noqa: PLC0415 - imports FastMCP

        return set_up(asked, report_to_stderr, service)


def telemetry_options(function: _Function) -> _Function:
    """Add ``--otlp``, ``--no-telemetry``, ``--metrics`` and ``--capture-content``."""

    @wraps(function)
    def command(
        *, otlp: str | None, no_telemetry: bool, metrics: bool, capture_content: bool, **options: Any
    ) -> Any:
        telemetry = TelemetryOptions(otlp, no_telemetry, metrics, capture_content)
        return function(telemetry=telemetry, **options)

    wrapped: Any = command
    for option in (
        click.option(
            "--capture-content",
            is_flag=True,
            help="Show arguments and results in the spans, redacted as in a cassette.",
        ),
        click.option("--metrics", is_flag=True, help="Serve /metrics for Prometheus (http and sse)."),
        click.option("--no-telemetry", is_flag=True, help="Send nothing, whatever OTEL_ variables say."),
        click.option("--otlp", metavar="URL", help="Send spans and metrics to an OpenTelemetry collector."),
    ):
        wrapped = option(wrapped)
    return cast("_Function", wrapped)


def import_propagators(*, needed: bool) -> None:
    """Import OpenTelemetry's propagators, which fails where ``OTEL_PROPAGATORS`` names an absent one.

    The SDK of the protocol imports them whether or not there is telemetry; then they don't matter.

    Raises:
        UsageError: One is absent, and they are needed.
    """
    named = os.environ.get(_PROPAGATORS)
    if named is None:
        return
    try:
        os.environ[_PROPAGATORS] = ",".join(each.strip().lower() for each in named.split(",") if each.strip())
        try:
            import opentelemetry.propagate  # noqa: PLC0415 - only to see whether it can be
        except ValueError as error:
            if needed:
                hint = "install its package, or take it out"
                raise UsageError(f"{_PROPAGATORS} can't be used: {error}", hint) from None
            del os.environ[_PROPAGATORS]
            import opentelemetry.propagate  # noqa: F401, PLC0415
    finally:
        os.environ[_PROPAGATORS] = named


def keep_providers_out(asked: Settings) -> None:
    """Have no providers come from ``OTEL_PYTHON_…_PROVIDER``: mcptap's own are not for FastMCP's spans.

    Raises:
        UsageError: One is named that is not the SDK's, and there is to be telemetry.
    """
    for signal in ("tracer", "meter"):
        variable = f"OTEL_PYTHON_{signal.upper()}_PROVIDER"
        named = os.environ.get(variable)
        if named is None:
            continue
        passes = asked.config_file is None and named in {"", f"sdk_{signal}_provider"}
        if asked.on and not passes:
            what = f"{variable} names {named!r}, but mcptap has a provider of its own"
            raise UsageError(what, "take it out")
        from opentelemetry import metrics, trace  # noqa: PLC0415 - only for such variables

        if signal == "tracer":
            trace.set_tracer_provider(trace.NoOpTracerProvider())
        else:
            metrics.set_meter_provider(metrics.NoOpMeterProvider())


def _require_room_for_metrics(front: Front) -> None:
    from mcptap.telemetry.settings import METRICS_PATH  # noqa: PLC0415 - not for --help

    if front.transport in {"stdio", "ws"}:
        raise UsageError("metrics for Prometheus are served over HTTP", "add --transport http")
    if front.path == METRICS_PATH:
        raise UsageError(f"{METRICS_PATH} is the path of the metrics", "choose another --path")
