"""Spans as OTLP, in the Protocol Buffers encoding (``opentelemetry/proto/trace/v1/trace.proto``).

OpenTelemetry's own encoder makes objects of every attribute of every span, which costs more than
opening, ending and sending the span. Nearly all attributes of mcptap's spans are the same from one
request to the next, so their bytes are made once. A test holds this against OpenTelemetry's encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import starmap
from struct import Struct
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, SpanKind, TraceState

from mcptap.telemetry import conventions as names
from mcptap.telemetry.direct import DirectSpan, DirectTracing
from mcptap.telemetry.operation import Operation
from mcptap.telemetry.span import CLIENT, SERVER, UNSET

_START_AND_END: Final = Struct("<BQBQ").pack
_IDS_AND_TIMES: Final = Struct("<2s16s2s8sBQBQ").pack
_START: Final = 7 << 3 | 1
_END: Final = 8 << 3 | 1
_FIXED64: Final = Struct("<BQ").pack
_DOUBLE: Final = Struct("<d").pack
_TRACE_ID: Final = b"\x0a\x10"
_SPAN_ID: Final = b"\x12\x08"
_PARENT_ID: Final = b"\x22\x08"
_KINDS: Final = {kind: bytes((6 << 3, kind.value + 1)) for kind in SpanKind}
_FLAGS: Final = b"\x85\x01\x00\x01\x00\x00"  # the parent is known to be local or absent,
_REMOTE_FLAGS: Final = b"\x85\x01\x00\x03\x00\x00"  # or known to be remote
_NO_STATUS: Final = b"\x7a\x00"
_ONE_BYTE: Final = 1 << 7
"""What is shorter has its length in one byte."""
_TWO_BYTES: Final = 1 << 14
_HASHED: Final = (str, bool, int)


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """The body of an ``ExportTraceServiceRequest``; all spans have one resource and one scope."""
    return _request(_envelope(spans[0]), [_span(span) for span in spans])


def encode_direct(spans: Sequence[DirectSpan]) -> bytes:
    """The same of mcptap's own spans."""
    return _request(_envelope_of(spans[0].tracing), [_direct(span) for span in spans])


@lru_cache(maxsize=4)
def _envelope_of(tracing: DirectTracing) -> tuple[bytes, bytes]:
    return _envelope(
        ReadableSpan(
            "",
            context=INVALID_SPAN_CONTEXT,
            resource=tracing.resource,
            instrumentation_scope=tracing.scope,
        )
    )


def _envelope(first: ReadableSpan) -> tuple[bytes, bytes]:
    """What comes before the spans in the resource, and what in the scope."""
    envelope = encode_spans([first]).resource_spans[0]
    envelope.scope_spans[0].ClearField("spans")
    scope = envelope.scope_spans[0].SerializeToString()
    envelope.ClearField("scope_spans")
    return envelope.SerializeToString(), scope


def _request(envelope: tuple[bytes, bytes], bodies: Sequence[bytes]) -> bytes:
    resource, scope = envelope
    parts = [scope]
    for body in bodies:
        parts += b"\x12", _length(len(body)), body
    return _bytes(1, resource + _bytes(2, b"".join(parts)))


def _direct(span: DirectSpan) -> bytes:
    above, status, epoch = span.above, span.status, span.epoch
    if above is None:
        parent_id, parent, flags = b"", b"", _FLAGS
    elif isinstance(above, DirectSpan):
        parent_id, parent, flags = _PARENT_ID, above.number, _FLAGS
    else:
        parent_id, parent = _PARENT_ID, above.span_id.to_bytes(8)
        flags = _REMOTE_FLAGS if above.is_remote else _FLAGS
    number = b"" if span.request_id is None else str(span.request_id).encode("utf-8", "replace")
    started, ended = span.started - epoch, span.ended - epoch
    return b"".join(
        (
            _IDS_AND_TIMES(_TRACE_ID, span.trace, _SPAN_ID, span.number, _START, started, _END, ended),
            parent_id,
            parent,
            flags,
            _of_server(span.operation) if span.kind is SERVER else _of_client(span.operation),
            _NO_STATUS if status is UNSET else _status(status.status_code.value, status.description),
            b"" if span.request_id is None else _before_request_id(len(number)),
            number,
            b"" if span.elsewhere is None else _OWN_SECONDS(_BEFORE_OWN_SECONDS, span.own_seconds),
            *(starmap(_attribute, span.attributes.items()) if span.attributes else ()),
            *(_details(span) if span.details is not None or span.trace_state else ()),
        )
    )


def _details(span: DirectSpan) -> Iterator[bytes]:
    yield _state(span.trace_state)
    yield from map(_link, span.links)
    yield from map(_event, span.events)
    if dropped := getattr(span.events, "dropped", 0):
        yield b"\x60" + _varint(dropped)


def _shared(kind: SpanKind, operation: Operation) -> bytes:
    """What all spans of one kind and operation have."""
    attributes = starmap(_attribute, operation.attributes.items())
    return b"".join((_name(operation.span_name), _KINDS[kind], *attributes))


_of_server: Final = lru_cache(maxsize=1024)(partial(_shared, SERVER))
_of_client: Final = lru_cache(maxsize=1024)(partial(_shared, CLIENT))


def _name(name: str) -> bytes:
    encoded = name.encode("utf-8", "replace")
    return b"\x2a" + _varint(len(encoded)) + encoded


def _span(span: ReadableSpan) -> bytes:
    context, parent, status = span.context, span.parent, span.status
    assert context is not None  # noqa: S101 - every span of mcptap's has one
    parts = [
        _ids(context),
        _state(context.trace_state),
        b"" if parent is None else _PARENT_ID + parent.span_id.to_bytes(8),
        _name(span.name),
        _KINDS[span.kind],
        _START_AND_END(7 << 3 | 1, span.start_time or 0, 8 << 3 | 1, span.end_time or 0),
        *starmap(_attribute, (span.attributes or {}).items()),
        *map(_event, span.events),
        *[_link(link.context) for link in span.links],
        _status(status.status_code.value, status.description),
        _REMOTE_FLAGS if parent is not None and parent.is_remote else _FLAGS,
    ]
    if span.dropped_events:
        parts.append(b"\x60" + _varint(span.dropped_events))
    return b"".join(parts)


def _ids(context: SpanContext) -> bytes:
    return _TRACE_ID + context.trace_id.to_bytes(16) + _SPAN_ID + context.span_id.to_bytes(8)


def _event(event: Any) -> bytes:
    attributes = b"".join(_bytes(3, _pair(*item)) for item in event.attributes.items())
    return _bytes(11, _FIXED64(1 << 3 | 1, event.timestamp) + _text(2, event.name) + attributes)


def _link(context: SpanContext) -> bytes:
    flags = b"\x35\x00\x03\x00\x00" if context.is_remote else b"\x35\x00\x01\x00\x00"
    return _bytes(13, _ids(context) + flags)


@lru_cache(maxsize=256)
def _status(code: int, description: str | None) -> bytes:
    return _bytes(15, _text(2, description or "") + (bytes((3 << 3, code)) if code else b""))


def _state(state: TraceState | None) -> bytes:
    return _text(3, ",".join(f"{key}={value}" for key, value in state.items())) if state else b""


def _attribute(key: str, value: Any) -> bytes:
    return _kept(key, value) if isinstance(value, _HASHED) else _bytes(9, _pair(key, value))


@lru_cache(maxsize=2048, typed=True)
def _kept(key: str, value: str | bool | int) -> bytes:
    return _bytes(9, _pair(key, value))


def _pair(key: str, value: Any) -> bytes:
    return _key(key) + _bytes(2, _value(value))


@lru_cache(maxsize=256)
def _key(key: str) -> bytes:
    return _text(1, key)


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return bytes((2 << 3, value))
        case str():
            return _bytes(1, value.encode("utf-8", "replace"))
        case int():
            return bytes((3 << 3,)) + _varint(value & 0xFFFFFFFFFFFFFFFF)
        case float():
            return b"\x21" + _DOUBLE(value)
        case _:
            raise TypeError(f"no attribute of mcptap's is a {type(value).__name__}")


def _text(number: int, content: str) -> bytes:
    return _bytes(number, content.encode("utf-8", "replace")) if content else b""


def _bytes(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _length(len(content)) + content


def _varint(number: int) -> bytes:
    """A number that is not negative, seven bits a byte, the lowest first."""
    if number < _ONE_BYTE:
        return bytes((number,))
    if number < _ONE_BYTE * _ONE_BYTE:
        return bytes((number & 0x7F | 0x80, number >> 7))
    pieces = bytearray()
    while number >= _ONE_BYTE:
        pieces.append(number & 0x7F | 0x80)
        number >>= 7
    pieces.append(number)
    return bytes(pieces)


_length = lru_cache(maxsize=1024)(_varint)


def _before(key: str, value: str | float, size: int) -> bytes:
    """What stands before an attribute's value, the last ``size`` bytes of it."""
    return _bytes(9, _pair(key, value))[: -size or None]


@lru_cache(maxsize=256)
def _before_request_id(size: int) -> bytes:
    return _before(names.REQUEST_ID, " " * size, size)


_BEFORE_OWN_SECONDS: Final = _before(names.PROXY_DURATION, 0.0, 8)
_OWN_SECONDS: Final = Struct(f"<{len(_BEFORE_OWN_SECONDS)}sd").pack
