"""OpenTelemetry's OTLP exporters, given `encoding`'s bytes instead of their own.

What they know of variables, headers, certificates, compression and retries stays theirs. They have no
public way in for bytes, so two private names are used: ``tests/telemetry/test_otlp.py`` fails when one
moves, and then the exporter is used as it is, only slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from mcptap.telemetry.encoding import encode
from mcptap.telemetry.settings import Otlp, Protocol


def span_exporter(otlp: Otlp, protocol: Protocol | None = None) -> SpanExporter:
    """An exporter of spans that all have the same resource and scope.

    Args:
        otlp: Where they go, and how;
        protocol: unless this says how.
    """
    return _grpc(otlp.endpoint) if (protocol or otlp.protocol) == "grpc" else _http(otlp.endpoint)


def _http(endpoint: str | None) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    class HttpSpanExporter(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            send = getattr(getattr(self, "_client", None), "export", None)
            if send is None:
                return super().export(spans)
            return SpanExportResult.SUCCESS if send(encode(spans)).success else SpanExportResult.FAILURE

    return HttpSpanExporter(endpoint=endpoint)


def _grpc(endpoint: str | None) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
        ExportTraceServiceRequest,
    )

    class GrpcSpanExporter(OTLPSpanExporter):
        def _translate_data(self, data: Sequence[ReadableSpan]) -> Any:
            return ExportTraceServiceRequest.FromString(encode(data))

    return GrpcSpanExporter(endpoint=endpoint)
