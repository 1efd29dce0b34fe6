"""One request or notification with its span and its duration."""

from __future__ import annotations

import time
from collections.abc import Sequence

import anyio
from mcp.shared.exceptions import MCPError
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from mcptap.exchange import Exchange, RpcError, UnansweredError
from mcptap.model import Json, Outcome
from mcptap.tap.channel import WireError, raw_error
from mcptap.telemetry import content
from mcptap.telemetry import conventions as names
from mcptap.telemetry.operation import (
    NOTHING,
    SUCCESS,
    WITH_URI,
    Attribute,
    Ending,
    Operation,
    ending_of_error,
    ending_of_result,
    ending_without_answer,
    uri_of,
)
from mcptap.telemetry.telemetry import Telemetry
from mcptap.telemetry.tracing import SERVER, Span


class Traced:
    """A request or notification that is under way; it is measured from here on.

    Args:
        telemetry: Where its span and its duration go.
        kind: SERVER where it came in, CLIENT where it goes out.
        operation: What it is.
        params: Its params.
        parent: The span that its own is inside of, or the context.
        links: The spans that it is linked to.
        about: What else is known of it; the span keeps the dict.

    Attributes:
        operation: What it is.
        span: Its span, where there are spans.
        started: When it was begun, by `time.perf_counter`.
    """

    __slots__ = ("_kind", "_telemetry", "operation", "span", "started")

    def __init__(
        self,
        telemetry: Telemetry,
        kind: SpanKind,
        operation: Operation,
        params: Json | None,
        parent: Context | Span,
        links: Sequence[SpanContext] = (),
        about: dict[str, Attribute] | None = None,
    ) -> None:
        self.started = time.perf_counter()
        self._telemetry = telemetry
        self._kind = kind
        self.operation = operation
        self.span: Span | None = None
        if telemetry.tracing is not None:
            attributes = {} if about is None else about
            if operation.method in WITH_URI and (uri := uri_of(params)) is not None:
                attributes[names.RESOURCE_URI] = content.redacted_text(telemetry.redact, "uri", uri)
            if telemetry.capture_content and params:
                attributes |= content.of_params(operation.method, telemetry.redact(params))
            self.span = telemetry.tracing.start(operation, kind, parent, attributes, links)

    def agreed(self, operation: Operation) -> None:
        """Note what it is now that an ``initialize`` has led to a protocol version."""
        self.operation = operation
        if self.span is not None:
            self.span.operation = operation

    def answered(self, result: Json) -> None:
        """End it with a result."""
        method = self.operation.method
        if self._telemetry.capture_content and self.span is not None and method == "tools/call":
            self.span.attributes |= content.of_result(self._telemetry.redact(result))
        self.end(ending_of_result(method, result) if "isError" in result else SUCCESS)

    def raised(self, error: BaseException, without: Outcome) -> None:
        """End it with an exception; ``without`` is why there is no answer if it is cancelled."""
        self.end(_ending_of(error, without, server=self._kind is SERVER))

    def end(self, ending: Ending = SUCCESS) -> None:
        """End it."""
        instruments, span = self._telemetry.instruments, self.span
        if instruments is not None:
            server = self._kind is SERVER
            histogram = instruments.server_operation if server else instruments.client_operation
            known = NOTHING if ending is SUCCESS else ending.metric_attributes()
            histogram.record(time.perf_counter() - self.started, self.operation, known, span)
        if span is None:
            return
        if ending is SUCCESS:
            span.end()
            return
        span.attributes |= ending.metric_attributes()
        if ending.outcome is not None:
            span.attributes[names.OUTCOME] = ending.outcome
        if ending.error_type is None:
            span.end()
            return
        said = ending.description
        said = said and content.redacted_text(self._telemetry.redact, "message", said)
        span.end(Status(StatusCode.ERROR, said))


def given_up(exchange: Exchange) -> Outcome:
    """Why a request whose task was cancelled has no answer."""
    return "disconnected" if exchange.cancelled() is None else "cancelled"


def _ending_of(error: BaseException, without: Outcome, *, server: bool) -> Ending:
    match error:
        case UnansweredError():
            raw, unanswered = error.error, True
        case RpcError():
            raw, unanswered = error.error, False
        case MCPError():
            raw, unanswered = raw_error(error), isinstance(error, WireError) and error.unanswered
        case _ if isinstance(error, anyio.get_cancelled_exc_class()):
            return ending_without_answer(without)
        case _:
            return Ending(type(error).__qualname__, description=str(error))
    if unanswered and not server:  # the answer is mcptap's own: nothing came from the server
        return Ending("unanswered", description=str(raw.get("message", "")), outcome="unanswered")
    return ending_of_error(raw, server=server, outcome="unanswered" if unanswered else None)
