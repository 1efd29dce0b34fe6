"""What the environment and the command line ask for (OpenTelemetry, "Environment variable specification").

Nothing of OpenTelemetry is imported here: where nothing is asked for, nothing has to be.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from mcptap.errors import UsageError

Signal: TypeAlias = Literal["traces", "metrics"]
Protocol: TypeAlias = Literal["grpc", "http/protobuf"]

PROTOCOLS: Final[tuple[Protocol, ...]] = ("grpc", "http/protobuf")
METRICS_PATH: Final = "/metrics"
_GRPC_PORT: Final = 4317
_PATHS: Final = ("/v1/traces", "/v1/metrics")


@dataclass(frozen=True, slots=True)
class Otlp:
    """Where one signal goes by OTLP.

    Attributes:
        protocol: How.
        endpoint: Where, if it is named: the whole URL, with the path of the signal for HTTP.
    """

    protocol: Protocol
    endpoint: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked for.

    Attributes:
        traces: The exporters of spans, by name; ``otlp`` stands for what ``otlp_of`` gives.
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
    if off:
        if url or serve_metrics:
            raise UsageError("--no-telemetry contradicts --otlp and --metrics: leave one of them out")
        return Settings()
    if url is not None:
        _check_url("--otlp", url, schemes=True)
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Settings()
    if config_file := environment.get("OTEL_CONFIG_FILE", "").strip():
        return Settings(config_file=config_file, capture_content=capture_content)
    found = Settings(
        traces=_exporters(environment, "traces", url),
        metrics=(
            *_exporters(environment, "metrics", url),
            *(["prometheus"] if serve_metrics else []),
        ),
        url=url,
        capture_content=capture_content,
    )
    for signal, names in (("traces", found.traces), ("metrics", found.metrics)):
        if "otlp" in names:
            otlp_of(signal, url, environment)  # type: ignore[arg-type]
    return found


def otlp_of(signal: Signal, url: str | None, environment: Mapping[str, str] = os.environ) -> Otlp:
    """Where a signal goes by OTLP.

    The protocol is the one that is named, or gRPC on its own port 4317, or else HTTP, which is the
    specification's default.

    Raises:
        UsageError: A URL or a protocol is none.
    """
    own, common = f"OTEL_EXPORTER_OTLP_{signal.upper()}_", "OTEL_EXPORTER_OTLP_"
    named, endpoint = ("--otlp", url) if url else _first(environment, f"{own}ENDPOINT", f"{common}ENDPOINT")
    asked, protocol = _first(environment, f"{own}PROTOCOL", f"{common}PROTOCOL")
    if not protocol:
        protocol = "grpc" if endpoint and _port_of(endpoint) == _GRPC_PORT else "http/protobuf"
    if protocol not in PROTOCOLS:
        hint = f"use {' or '.join(PROTOCOLS)}"
        raise UsageError(f"{asked} is {protocol!r}, which mcptap doesn't speak", hint)
    if not endpoint:
        return Otlp(protocol, None)
    _check_url(named, endpoint, schemes=protocol != "grpc")
    if protocol == "http/protobuf" and not named.startswith(own):
        base = endpoint.rstrip("/")
        for path in _PATHS:
            base = base.removesuffix(path)
        endpoint = f"{base}/v1/{signal}"
    return Otlp(protocol, endpoint)


def _first(environment: Mapping[str, str], *variables: str) -> tuple[str, str]:
    """The first of the variables that says something, and what."""
    for variable in variables:
        if value := environment.get(variable, "").strip():
            return variable, value
    return variables[-1], ""


def _exporters(environment: Mapping[str, str], signal: Signal, url: str | None) -> tuple[str, ...]:
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    named = [name.strip() for name in environment.get(variable, "").split(",") if name.strip()]
    if "none" in named:
        if len(named) > 1:
            raise UsageError(f"{variable} says none and more: leave one of them out")
        return ()
    if not named and any(
        environment.get(f"OTEL_EXPORTER_OTLP_{part}ENDPOINT", "").strip()
        for part in (f"{signal.upper()}_", "")
    ):
        named = ["otlp"]
    if url is not None and "otlp" not in named:
        named.append("otlp")
    return tuple(dict.fromkeys(named))


def _check_url(variable: str, url: str, *, schemes: bool) -> None:
    """Refuse what can't be an endpoint; gRPC takes HOST:PORT without a scheme."""
    try:
        parts = urlsplit(url if "://" in url or schemes else f"http://{url}")
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"{variable} {url!r} is no URL", "write it as http://HOST:PORT")


def _port_of(url: str) -> int | None:
    try:
        return urlsplit(url if "://" in url else f"http://{url}").port
    except ValueError:
        return None
