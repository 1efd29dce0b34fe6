"""OpenTelemetry's OTLP exporters, given `encoding`'s bytes instead of their own.

What they know of variables, headers, certificates, compression and retries stays theirs. They have no
public way in for bytes, nor out for answers, so both are by private names (`mcptap.telemetry.private`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from mcptap.telemetry.collector import Otlp, without_secrets
from mcptap.telemetry.destination import Destination
from mcptap.telemetry.direct import DirectSpan
from mcptap.telemetry.encoding import encode, encode_direct
from mcptap.telemetry.limiting import limited
from mcptap.telemetry.private import (
    http_send,
    is_plain,
    send_by_urllib3,
    translate_by,
    watch_grpc,
    watch_http,
)

_MOST_BYTES: Final = 4 * 1024 * 1024
"""What a receiver of gRPC takes at once, unless it is told otherwise."""


class Outlet(Protocol):
    """Sends spans.

    Attributes:
        destination: Where to.
    """

    destination: Destination

    def send(self, spans: Sequence[Any]) -> int:
        """Send some; gives how many have not arrived."""

    def shutdown(self) -> None:
        """End; it may take as long as the exporter likes."""


class OfExporter:
    """An exporter that knows no spans but the SDK's (`Outlet`).

    Args:
        exporter: Sends them.
        name: What the user calls it.
    """

    def __init__(self, exporter: SpanExporter, name: str) -> None:
        self._exporter = exporter
        self.destination = Destination(name)
        self.shutdown = exporter.shutdown

    def send(self, spans: Sequence[DirectSpan]) -> int:
        """See `Outlet.send`."""
        readable = [_readable(each) for each in spans]
        return self.destination.lost(lambda: _export(self._exporter, readable), len(spans))


@dataclass(frozen=True, slots=True)
class _Part:
    """Spans that are sent at once, for an exporter as long as they are many."""

    spans: Sequence[Any]
    body: bytes

    def __len__(self) -> int:
        return len(self.spans)


_Send: TypeAlias = Callable[[_Part], bool]


class OtlpSpans:
    """Sends spans of mcptap's own, or of the SDK's, that all have the same resource and scope (`Outlet`).

    Args:
        otlp: Where they go, and how.
    """

    def __init__(self, otlp: Otlp) -> None:
        exporter, self._send = _grpc_spans(otlp) if otlp.protocol == "grpc" else _http_spans(otlp)
        self.destination = _watched(exporter, otlp)
        self.shutdown = exporter.shutdown

    def send(self, spans: Sequence[Any]) -> int:
        """See `Outlet.send`."""
        lost, trouble = 0, ""
        # What is too large by itself may be tried again for long, while the others wait.
        for part in sorted(_parts(spans), key=lambda part: len(part.body) > _MOST_BYTES):
            lost += self.destination.lost(partial(self._send, part), len(part))
            trouble = trouble or self.destination.trouble
        self.destination.trouble = trouble
        return lost


def _parts(spans: Sequence[Any]) -> Iterator[_Part]:
    """All of them at once, unless that is more than a receiver takes."""
    body = _encoded(spans)
    if len(body) <= _MOST_BYTES or len(spans) == 1:
        yield _Part(spans, body)
        return
    half = len(spans) // 2
    yield from _parts(spans[:half])
    yield from _parts(spans[half:])


def _encoded(spans: Sequence[Any]) -> bytes:
    first = spans[0]
    if not isinstance(first, DirectSpan):
        return encode(spans)
    if not first.tracing.limited:
        return encode_direct(spans)
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans  # noqa: PLC0415

    body: bytes = encode_spans([_readable(each) for each in spans]).SerializeToString()
    return body


def _readable(span: DirectSpan | ReadableSpan) -> ReadableSpan:
    if isinstance(span, ReadableSpan):
        return span
    readable, tracing = span.readable(), span.tracing
    return limited(readable, tracing.limits) if tracing.limited else readable


def _http_spans(otlp: Otlp) -> tuple[SpanExporter, _Send]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    exporter = OTLPSpanExporter(endpoint=otlp.endpoint)
    if is_plain(exporter):
        send_by_urllib3(exporter)
    send = http_send(exporter)
    if send is None:
        return exporter, lambda part: _export(exporter, [_readable(each) for each in part.spans])
    return exporter, lambda part: bool(send(part.body).success)


def _grpc_spans(otlp: Otlp) -> tuple[SpanExporter, _Send]:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    exporter = OTLPSpanExporter(otlp.endpoint, **_grpc_options(otlp))
    translate_by(exporter, lambda part: part.body, _BytesStub)
    return exporter, partial(_export, exporter)


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


def _export(exporter: SpanExporter, spans: Any) -> bool:
    return exporter.export(spans) is SpanExportResult.SUCCESS


def otlp_metrics(otlp: Otlp) -> tuple[MetricExporter, Destination]:
    """An exporter of metrics, and where it sends to.

    Args:
        otlp: Where they go, and how.
    """
    if otlp.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415 - slow
            OTLPMetricExporter as GrpcMetricExporter,
        )

        exporter: MetricExporter = GrpcMetricExporter(otlp.endpoint, **_grpc_options(otlp))
    else:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

        exporter = OTLPMetricExporter(endpoint=otlp.endpoint)
    return exporter, _watched(exporter, otlp)


def _grpc_options(otlp: Otlp) -> dict[str, Any]:
    """What the exporters of gRPC don't understand in every form that the specification has."""
    from grpc import Compression  # type: ignore[import-untyped]  # noqa: PLC0415 - slow

    known = {"none": Compression.NoCompression, "gzip": Compression.Gzip}
    return {"timeout": otlp.timeout, "compression": known[otlp.compression]}


def _watched(exporter: Any, otlp: Otlp) -> Destination:
    default = "localhost:4317" if otlp.protocol == "grpc" else "http://localhost:4318"
    destination = Destination(without_secrets(otlp.endpoint or default))
    if otlp.protocol == "grpc":
        watch_grpc(exporter, destination.watch_grpc)
    else:
        watch_http(exporter, destination.watch_http)
    return destination
