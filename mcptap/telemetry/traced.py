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
    Attribute,
    Attributes,
    Connection,
    Ending,
    ending_of_error,
    ending_of_result,
    ending_without_answer,
    operation_of,
    uri_of,
)
from mcptap.telemetry.telemetry import Telemetry
from mcptap.telemetry.tracing import SERVER, UNSET, Span


class Traced:
    """A request or notification that is under way; it is measured from here on.

    Args:
        telemetry: Where its span and its duration go.
        kind: SERVER where it came in, CLIENT where it goes out.
        method: Its method.
        params: Its params.
        connection: What it came in or goes out on.
        parent: The span that its own is inside of, or the context.
        links: The spans that it is linked to.
        request_id: Its JSON-RPC id.
        more: Further attributes of the span.

    Attributes:
        span: Its span, where there are spans.
        started: When it was begun, by `time.perf_counter`.
    """

    __slots__ = ("_agreed", "_kind", "_method", "_operation", "_telemetry", "span", "started")

    def __init__(
        self,
        telemetry: Telemetry,
        kind: SpanKind,
        method: str,
        params: Json | None,
        connection: Connection,
        *,
        parent: Context | Span,
        links: Sequence[SpanContext] = (),
        request_id: str | int | None = None,
        more: dict[str, Attribute] | None = None,
    ) -> None:
        self.started = time.perf_counter()
        self._telemetry = telemetry
        self._kind = kind
        self._method = method
        self._operation = operation_of(method, params, connection)
        self._agreed: Attributes = NOTHING
        self.span: Span | None = None
        if telemetry.tracing is not None:
            attributes: dict[str, Attribute] = {}
            if request_id is not None:
                attributes[names.REQUEST_ID] = str(request_id)
            if (uri := uri_of(method, params)) is not None:
                attributes[names.RESOURCE_URI] = content.redacted_text(telemetry.redact, "uri", uri)
            if more:
                attributes |= more
            if telemetry.capture_content and params:
                attributes |= content.of_params(method, telemetry.redact(params))
            self.span = telemetry.tracing.start(self._operation, kind, parent, attributes, links)

    def agreed(self, version: str | None) -> None:
        """Note the protocol version that an ``initialize`` has led to."""
        if version is not None:
            self._agreed = {names.PROTOCOL_VERSION: version}

    def answered(self, result: Json, more: dict[str, Attribute] | None = None) -> None:
        """End it with a result."""
        if self.span is not None and self._telemetry.capture_content and self._method == "tools/call":
            self.span.attributes |= content.of_result(self._telemetry.redact(result))
        self.end(ending_of_result(self._method, result), more)

    def raised(
        self, error: BaseException, without: Outcome, more: dict[str, Attribute] | None = None
    ) -> None:
        """End it with an exception; ``without`` is why there is no answer if it is cancelled."""
        self.end(_ending_of(error, without, server=self._kind is SERVER), more)

    def end(self, ending: Ending = SUCCESS, more: dict[str, Attribute] | None = None) -> None:
        """End it.

        Args:
            ending: How.
            more: Further attributes of the span.
        """
        instruments = self._telemetry.instruments
        if instruments is not None:
            server = self._kind is SERVER
            histogram = instruments.server_operation if server else instruments.client_operation
            known: Attributes = NOTHING
            if ending is not SUCCESS or self._agreed:
                known = {**self._agreed, **ending.metric_attributes()}
            seconds = time.perf_counter() - self.started
            histogram.record(seconds, self._operation, known, self.span)
        if (span := self.span) is None:
            return
        if ending is SUCCESS:
            status = UNSET
        else:
            span.attributes |= ending.metric_attributes()
            if ending.outcome is not None:
                span.attributes[names.OUTCOME] = ending.outcome
            status = UNSET
            if ending.error_type is not None:
                said = ending.description
                said = said and content.redacted_text(self._telemetry.redact, "message", said)
                status = Status(StatusCode.ERROR, said)
        if self._agreed:
            span.attributes.update(self._agreed)
        if more:
            span.attributes |= more
        span.end(status)


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
