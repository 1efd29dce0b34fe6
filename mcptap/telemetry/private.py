"""Every private name of OpenTelemetry that mcptap uses, and nothing else of mcptap does.

``tests/telemetry/test_private.py`` fails when one of them moves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.metrics.export import MetricReader, MetricsData
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_SIGNALS = ("", "TRACES_")
_W3C = [TraceContextTextMapPropagator, W3CBaggagePropagator]


def is_w3c(textmap: TextMapPropagator) -> bool:
    """Whether a propagator is the default one: W3C's trace context and its baggage."""
    if type(textmap) is not CompositePropagator:
        return False
    return [type(each) for each in textmap._propagators] == _W3C  # noqa: SLF001


def preferences(exporter: Any) -> tuple[Any, Any]:
    """The temporality and the aggregation that an exporter of metrics prefers."""
    return exporter._preferred_temporality, exporter._preferred_aggregation  # noqa: SLF001


def http_send(exporter: Any) -> Callable[[bytes], Any] | None:
    """What an HTTP exporter sends bytes with; ``None`` where it is no longer there."""
    return getattr(getattr(exporter, "_client", None), "export", None)


def is_plain(exporter: Any) -> bool:
    """Whether an exporter sends spans to a plain URL, by no proxy, for no user and in a session of its own.

    A credential provider's session may be like any other, but for what it puts in the requests.
    """
    if any(os.environ.get(f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{each}CREDENTIAL_PROVIDER") for each in _SIGNALS):
        return False
    from requests import Session  # noqa: PLC0415 - slow
    from requests.utils import get_environ_proxies, get_netrc_auth  # noqa: PLC0415

    session = getattr(getattr(getattr(exporter, "_client", None), "_transport", None), "_session", None)
    if type(session) is not Session or not exporter._endpoint.startswith("http://"):  # noqa: SLF001
        return False
    return not get_environ_proxies(exporter._endpoint) and not get_netrc_auth(exporter._endpoint)  # noqa: SLF001


def send_by_urllib3(exporter: Any) -> None:
    """Have an HTTP exporter send by urllib3 itself; requests takes as long around it as all else does."""
    from opentelemetry.exporter.http.transport._urllib3 import Urllib3HTTPTransport  # noqa: PLC0415 - slow

    exporter._client._transport = Urllib3HTTPTransport()  # noqa: SLF001


def translate_by(exporter: Any, translate: Callable[[Any], Any], stub: Callable[[Any], Any]) -> None:
    """Have a gRPC exporter send what ``translate`` makes of what it is given.

    Args:
        exporter: The exporter.
        translate: Makes the request.
        stub: Makes of a channel what sends it.
    """
    exporter._translate_data = translate  # noqa: SLF001
    exporter._stub = stub  # noqa: SLF001
    exporter._client = stub(exporter._channel)  # noqa: SLF001


def watch_http(exporter: Any, watch: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Have an HTTP exporter send by what ``watch`` makes of what it sends with, if that is still there."""
    transport = getattr(getattr(exporter, "_client", None), "_transport", None)
    if transport is not None:
        transport.request = watch(transport.request)


def watch_grpc(exporter: Any, watch: Callable[[Any], Any]) -> None:
    """Have a gRPC exporter send by what ``watch`` makes of its stub, for each new connection too."""
    make_stub = exporter._stub  # noqa: SLF001
    exporter._stub = lambda channel: watch(make_stub(channel))  # noqa: SLF001
    exporter._client = watch(exporter._client)  # noqa: SLF001


def add_to_collected(reader: MetricReader, add: Callable[[MetricsData | None], MetricsData | None]) -> None:
    """Have a reader get more than its provider collects."""
    collect: Any = reader._collect  # noqa: SLF001

    def collect_more(reader: MetricReader, timeout_millis: float = 10_000) -> MetricsData | None:
        return add(collect(reader, timeout_millis=timeout_millis))

    reader._set_collect_callback(collect_more)  # type: ignore[arg-type]  # noqa: SLF001
