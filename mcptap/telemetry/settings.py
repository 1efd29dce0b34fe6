"""What the environment and the command line ask for (OpenTelemetry, "Environment variable specification").

Nothing of OpenTelemetry is imported here: where nothing is asked for, nothing has to be.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mcptap.errors import UsageError
from mcptap.telemetry.collector import OTLP_EXPORTERS, Signal, otlp_of

METRICS_PATH: Final = "/metrics"
PROMETHEUS: Final = "prometheus"
_SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked for.

    Attributes:
        traces: The exporters of spans, by name in lower case; of `OTLP_EXPORTERS` more is told by `otlp_of`.
        metrics: The exporters of metrics.
        config_file: A configuration file, which takes the place of all else.
        url: The endpoint that was given on the command line.
        capture_content: Whether arguments and results are shown.
    """

    traces: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    config_file: str | None = None
    url: str | None = None
    capture_content: bool = False

    @property
    def needs_own(self) -> bool:
        """Whether an application's providers can't do it: they go elsewhere, and serve no ``/metrics``."""
        return self.url is not None or PROMETHEUS in self.metrics

    @property
    def on(self) -> bool:
        """Whether anything is to be sent or served."""
        return bool(self.traces or self.metrics or self.config_file)


def settings(
    environment: Mapping[str, str] = os.environ,
    *,
    url: str | None = None,
    off: bool = False,
    serve_metrics: bool = False,
    capture_content: bool = False,
) -> Settings:
    """Find out what is asked for. Naming an endpoint is asking for it.

    Args:
        environment: The variables.
        url: The endpoint that was given on the command line.
        off: Whether the command line says that nothing is to be sent.
        serve_metrics: Whether it asks for ``/metrics``.
        capture_content: Whether it asks for arguments and results.

    Raises:
        UsageError: It is contradictory, or an URL or a protocol is none.
    """
    given = [name for name, is_given in (("--otlp", url), ("--metrics", serve_metrics)) if is_given]
    if off:
        _refuse(given, "--no-telemetry contradicts")
        return Settings()
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        _refuse(given, "OTEL_SDK_DISABLED contradicts")
        return Settings()
    if config_file := environment.get("OTEL_CONFIG_FILE", "").strip():
        _refuse(given, "OTEL_CONFIG_FILE takes the place of")
        return Settings(config_file=config_file, capture_content=capture_content)
    found = Settings(
        traces=_exporters(environment, "traces", url),
        metrics=(
            *_exporters(environment, "metrics", url),
            *([PROMETHEUS] if serve_metrics else []),
        ),
        url=url,
        capture_content=capture_content,
    )
    for signal in _SIGNALS:
        for exporter in OTLP_EXPORTERS.keys() & getattr(found, signal):
            otlp_of(signal, url, environment, exporter)
    return found


def _refuse(given: list[str], why: str) -> None:
    """Refuse the options that were given though they come to nothing."""
    if given:
        raise UsageError(f"{why} {' and '.join(given)}: leave one of them out")


def _exporters(environment: Mapping[str, str], signal: Signal, url: str | None) -> tuple[str, ...]:
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    said = (name.strip().lower() for name in environment.get(variable, "").split(","))
    named = [name for name in said if name]
    if "none" in named:
        if len(named) > 1:
            raise UsageError(f"{variable} says none and more: leave one of them out")
        return () if url is None else ("otlp",)
    if not named and any(
        environment.get(f"OTEL_EXPORTER_OTLP_{part}ENDPOINT", "").strip()
        for part in (f"{signal.upper()}_", "")
    ):
        named = ["otlp"]
    if url is not None and not OTLP_EXPORTERS.keys() & named:
        named.append("otlp")
    return tuple(dict.fromkeys(named))
