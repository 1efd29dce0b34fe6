"""OpenTelemetry's OTLP exporters, given `encoding`'s bytes instead of their own.

What they know of variables, headers, certificates, compression and retries stays theirs. They have no
public way in for bytes, so each is entered by a private name (`mcptap.telemetry.private`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from mcptap.telemetry.direct import DirectSpan
from mcptap.telemetry.encoding import encode, encode_direct
from mcptap.telemetry.private import http_send, translate_by
from mcptap.telemetry.settings import Otlp, Protocol

if TYPE_CHECKING:
    import requests

_CREDENTIAL_PROVIDERS: Final = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER",
)


def span_exporter(otlp: Otlp, protocol: Protocol | None = None) -> SpanExporter:
    """An exporter of spans that all have the same resource and scope.

    Args:
        otlp: Where they go, and how;
        protocol: unless this says how.
    """
    return _grpc(otlp.endpoint) if (protocol or otlp.protocol) == "grpc" else _http(otlp.endpoint)


class DirectExporter(SpanExporter):
    """Marks the exporters that take `DirectSpan`s too."""


def _http(endpoint: str | None) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    class HttpSpanExporter(OTLPSpanExporter, DirectExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            send = http_send(self)
            if send is None:
                return super().export(_readable(spans))
            return SpanExportResult.SUCCESS if send(_encoded(spans)).success else SpanExportResult.FAILURE

    if any(os.environ.get(variable) for variable in _CREDENTIAL_PROVIDERS):
        return HttpSpanExporter(endpoint=endpoint)  # it has a session of its own
    return HttpSpanExporter(endpoint=endpoint, session=_settled_session())


def _settled_session() -> requests.Session:
    """A session that looks for proxies in the environment once, which takes as long as sending spans."""
    import requests  # noqa: PLC0415 - slow

    class Settled(requests.Session):
        settings: dict[str, Any] | None = None

        def merge_environment_settings(self, *arguments: Any, **options: Any) -> Any:
            if self.settings is None:
                self.settings = super().merge_environment_settings(*arguments, **options)
            return self.settings

    return Settled()


def _grpc(endpoint: str | None) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    class GrpcSpanExporter(OTLPSpanExporter, DirectExporter):
        pass

    exporter = GrpcSpanExporter(endpoint=endpoint)
    translate_by(exporter, _encoded, _BytesStub)
    return exporter


class _BytesStub:
    """``TraceServiceStub``, given bytes."""

    def __init__(self, channel: Any) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - slow
            ExportTraceServiceResponse,
        )

        self.Export = channel.unary_unary(
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            response_deserializer=ExportTraceServiceResponse.FromString,
        )


def _encoded(spans: Sequence[Any]) -> bytes:
    return encode_direct(spans) if isinstance(spans[0], DirectSpan) else encode(spans)


def _readable(spans: Sequence[Any]) -> Sequence[ReadableSpan]:
    return [each.readable() if isinstance(each, DirectSpan) else each for each in spans]
