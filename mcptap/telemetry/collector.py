"""Where a signal goes by OTLP, and how (OpenTelemetry, "OpenTelemetry Protocol Exporter").

Nothing of OpenTelemetry is imported here: where nothing is asked for, nothing has to be.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from mcptap.errors import UsageError

Signal: TypeAlias = Literal["traces", "metrics"]
Protocol: TypeAlias = Literal["grpc", "http/protobuf"]

PROTOCOLS: Final[tuple[Protocol, ...]] = ("grpc", "http/protobuf")
OTLP_EXPORTERS: Final[Mapping[str, Protocol | None]] = {
    "otlp": None,
    "otlp_proto_grpc": "grpc",
    "otlp_proto_http": "http/protobuf",
}
"""The exporters that send by OTLP, by name, with the protocol that the name stands for."""

_COMPRESSIONS: Final[Mapping[Protocol, tuple[str, ...]]] = {
    "grpc": ("none", "gzip"),
    "http/protobuf": ("none", "gzip", "deflate"),
}
_GRPC_PORT: Final = 4317
_PATHS: Final = ("/v1/traces", "/v1/metrics")
_HEADER: Final = re.compile(r"\s*[-!#$%&'*+.^_`|~0-9A-Za-z]+\s*=.*")


@dataclass(frozen=True, slots=True)
class Otlp:
    """Where one signal goes by OTLP.

    Attributes:
        protocol: How.
        endpoint: Where, if it is named: the whole URL, with the path of the signal for HTTP.
        timeout: How long an export may take, in seconds.
        compression: How its bodies are compressed: ``none``, ``gzip`` or ``deflate``.
    """

    protocol: Protocol
    endpoint: str | None
    timeout: float = 10.0
    compression: str = "none"


def otlp_of(
    signal: Signal, url: str | None, environment: Mapping[str, str] = os.environ, exporter: str = "otlp"
) -> Otlp:
    """Where a signal goes by OTLP.

    The protocol is the one that is named, or gRPC on its own port 4317, or else HTTP, which is the
    specification's default.

    Args:
        signal: What goes there.
        url: The endpoint that was given on the command line.
        environment: The variables.
        exporter: Which of `OTLP_EXPORTERS` sends it.

    Raises:
        UsageError: A URL, a protocol or another variable is none.
    """
    own, common = f"OTEL_EXPORTER_OTLP_{signal.upper()}_", "OTEL_EXPORTER_OTLP_"

    def said(what: str) -> tuple[str, str]:
        return _first(environment, f"{own}{what}", f"{common}{what}")

    named, endpoint = ("--otlp", url) if url else said("ENDPOINT")
    protocol = OTLP_EXPORTERS[exporter] or _protocol(*said("PROTOCOL"), endpoint)
    _check_headers(*said("HEADERS"))
    timeout, compression = _timeout(*said("TIMEOUT")), _compression(*said("COMPRESSION"), protocol)
    if not endpoint:
        return Otlp(protocol, None, timeout, compression)
    _check_url(named, endpoint, schemes=protocol != "grpc")
    if protocol == "http/protobuf" and not named.startswith(own):
        base = endpoint.rstrip("/")
        for path in _PATHS:
            base = base.removesuffix(path)
        endpoint = f"{base}/v1/{signal}"
    return Otlp(protocol, endpoint, timeout, compression)


def without_secrets(url: str) -> str:
    """A URL as it may be shown: without its user, its password and its query."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    return scheme + separator + re.split("[?#]", rest.rpartition("@")[2], maxsplit=1)[0]


def _first(environment: Mapping[str, str], *variables: str) -> tuple[str, str]:
    """The first of the variables that says something, and what."""
    for variable in variables:
        if value := environment.get(variable, "").strip():
            return variable, value
    return variables[-1], ""


def _protocol(variable: str, named: str, endpoint: str) -> Protocol:
    if not named:
        return "grpc" if endpoint and _port_of(endpoint) == _GRPC_PORT else "http/protobuf"
    for known in PROTOCOLS:
        if named.lower() == known:
            return known
    raise UsageError(f"{variable} is {named!r}, which mcptap doesn't speak", f"use {' or '.join(PROTOCOLS)}")


def _timeout(variable: str, named: str) -> float:
    try:
        seconds = float(named or 10.0)
    except ValueError:
        seconds = 0.0
    if not isfinite(seconds) or seconds <= 0:
        raise UsageError(f"{variable} {named!r} is no number of seconds", "write it as 10")
    return seconds


def _compression(variable: str, named: str, protocol: Protocol) -> str:
    known = _COMPRESSIONS[protocol]
    compression = named.lower() or "none"
    if compression not in known:
        raise UsageError(f"{variable} {named!r} is not for {protocol}", f"use {' or '.join(known)}")
    return compression


def _check_headers(variable: str, named: str) -> None:
    """Refuse what OpenTelemetry would pass over; what it is isn't said, as it may be a secret."""
    if not all(_HEADER.fullmatch(each) for each in named.split(",") if each.strip()):
        raise UsageError(f"{variable} is no list of headers", "write it as NAME=VALUE,NAME=VALUE")


def _check_url(variable: str, url: str, *, schemes: bool) -> None:
    """Refuse what can't be an endpoint; gRPC takes HOST:PORT without a scheme."""
    try:
        parts = urlsplit(url if "://" in url or schemes else f"http://{url}")
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        named = parts.username is not None
    except ValueError:
        good = named = False
    if named and not schemes:
        hint = "use OTEL_EXPORTER_OTLP_HEADERS"
        raise UsageError(
            f"{variable} {without_secrets(url)!r} names a user, which gRPC has no place for", hint
        )
    if not good:
        raise UsageError(f"{variable} {without_secrets(url)!r} is no URL", "write it as http://HOST:PORT")


def _port_of(url: str) -> int | None:
    try:
        return urlsplit(url if "://" in url else f"http://{url}").port
    except ValueError:
        return None
