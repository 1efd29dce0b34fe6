"""A request or notification that is under way: its duration, and its span where there are spans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import anyio
from mcp.shared.exceptions import MCPError
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceState

from mcptap.exchange import DisconnectedError, Exchange, RpcError, UnansweredError
from mcptap.model import Json, Outcome
from mcptap.tap.channel import WireError, raw_error
from mcptap.telemetry import content
from mcptap.telemetry import conventions as names
from mcptap.telemetry.operation import (
    SUCCESS,
    Attribute,
    Attributes,
    Ending,
    Operation,
    ending_of_error,
    ending_of_result,
    ending_without_answer,
    uri_of,
)

if TYPE_CHECKING:
    from mcptap.telemetry.telemetry import Telemetry

UNSET: Final = Status()
# Looked up once: Python finds a member of an enum by way of a descriptor.
SERVER: Final = SpanKind.SERVER
CLIENT: Final = SpanKind.CLIENT

SECOND: Final = 1e9
"""In nanoseconds."""


class Span:
    """A request or notification that is under way, from when this is made until it ends.

    Of this class itself are those of which there is only a duration: nobody sees what they are told.

    Args:
        telemetry: What it is part of.
        kind: SERVER where it came in, CLIENT where it goes out.
        operation: Its name, and the attributes that it shares with others.
        params: The params of the request or notification.
        parent: The span that it is in, or the context.
        links: The spans that it is linked to.
        attributes: What else is known of it; the span keeps the dict, and adds to it until it ends.
        request_id: The JSON-RPC id of the request, where it is known.

    Attributes:
        operation: What it is, as it is known by its end.
        around: The context that it was begun in.
        elsewhere: How many seconds of it others took, where mcptap's own time can be told.
        started: When it began, by `time.perf_counter_ns`, and
        ended: when it ended.
        ending: How it ended, and
        status: what is said of that, if anybody will see it.
        recording: Whether anybody will see it.
        trace_id: The id of its trace, 32 hexadecimal digits, and
        span_id: its own, 16 of them.
        trace_state: What vendors have said of its trace.
        traceparent: Gives how it is named to others (W3C Trace Context, section 3.2).
    """

    __slots__ = (
        "around",
        "attributes",
        "elsewhere",
        "ended",
        "ending",
        "kind",
        "operation",
        "request_id",
        "started",
        "status",
        "telemetry",
    )

    around: Context
    elsewhere: float | None
    ended: int
    ending: Ending
    status: Status
    recording: bool = False
    trace_id: str
    span_id: str
    trace_state: TraceState | None
    traceparent: Callable[[], str]

    def __init__(
        self,
        telemetry: Telemetry,
        kind: SpanKind,
        operation: Operation,
        params: Json | None,
        parent: Context | Span,
        links: Sequence[SpanContext] = (),
        attributes: dict[str, Attribute] | None = None,
        request_id: str | int | None = None,
    ) -> None:
        del params, links  # there is nobody to show them to
        self.started = perf_counter_ns()
        self.telemetry = telemetry
        self.kind = kind
        self.operation = operation
        self.around = parent.around if isinstance(parent, Span) else parent
        self.attributes = {} if attributes is None else attributes
        self.request_id = request_id
        self.elsewhere = None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.started) / SECOND

    @property
    def own_seconds(self) -> float:
        """How much of that was mcptap's own time, as far as that can be told."""
        own = (self.ended - self.started) / SECOND - (self.elsewhere or 0.0)
        return own if own > 0.0 else 0.0  # noqa: FURB136 - max() takes thrice as long

    def all_attributes(self) -> dict[str, Attribute]:
        """Those that it shares with others, and those of it alone."""
        found = dict(self.operation.attributes)
        if self.request_id is not None:
            found[names.REQUEST_ID] = str(self.request_id)
        if self.elsewhere is not None:
            found[names.PROXY_DURATION] = self.own_seconds
        return found | self.attributes

    def within(self) -> Context:
        """The context of what is done inside it: the span itself, and the baggage that it came with."""
        return self.around

    def event(self, name: str, attributes: Attributes) -> None:
        """Note that something happened in it now."""

    def link(self, context: SpanContext) -> None:
        """Link it to another span."""

    def raised(self, error: BaseException, without: Outcome) -> None:
        """End it with an exception; ``without`` is why there is no answer if it is cancelled."""
        self.end(_ending_of(error, without, server=self.kind is SERVER))

    def end(self, ending: Ending = SUCCESS, result: Json | None = None) -> None:
        """End it, with the result of a request where there is one."""
        self.ended = perf_counter_ns()
        telemetry = self.telemetry
        if result is not None and ("isError" in result or telemetry.capture_content):
            ending = self._ending(result)
        self.ending = ending
        if (measure := telemetry.measure) is not None:
            measure(self)
        if self.recording:
            self.status = UNSET if ending is SUCCESS else self._status(ending)
            take = telemetry.take  # to call it right there, Python would look for a method first
            take(self)

    def _ending(self, result: Json) -> Ending:
        """How it ended with a result, which is shown where the user asks for it."""
        method = self.operation.method
        if self.telemetry.capture_content and method == "tools/call":
            self.attributes |= content.of_result(self.telemetry.redact(result))
        return ending_of_result(method, result)

    def _status(self, ending: Ending) -> Status:
        """The status of a span that ended like this, of which its attributes tell more."""
        self.attributes |= ending.metric_attributes()
        if ending.outcome is not None:
            self.attributes[names.OUTCOME] = ending.outcome
        if ending.error_type is None:
            return UNSET
        said = ending.description
        said = said and content.redacted_text(self.telemetry.redact, "message", said)
        return Status(StatusCode.ERROR, said)


class Begin(Protocol):
    """Begins a span now; see `Span`."""

    def __call__(  # noqa: D102 - the class says it
        self,
        kind: SpanKind,
        operation: Operation,
        params: Json | None,
        parent: Context | Span,
        links: Sequence[SpanContext] = (),
        attributes: dict[str, Attribute] | None = None,
        request_id: str | int | None = None,
    ) -> Span: ...


class Tracing(Protocol):
    """What spans are begun with.

    Attributes:
        ambient: Whether others begin spans inside of them, by the context of their task.
        take: Is given those that have ended.
    """

    ambient: ClassVar[bool]

    @property
    def take(self) -> Callable[[Any], None]: ...  # noqa: D102 - the class says it

    def begins(self, telemetry: Telemetry) -> Begin:
        """Give what begins them."""


def shown(telemetry: Telemetry, operation: Operation, params: Json | None) -> dict[str, Attribute]:
    """What a span shows of the params of its request or notification."""
    found: dict[str, Attribute] = {}
    if operation.has_uri and (uri := uri_of(params)) is not None:
        found[names.RESOURCE_URI] = content.redacted_text(telemetry.redact, "uri", uri)
    if telemetry.capture_content and params:
        found |= content.of_params(operation.method, telemetry.redact(params))
    return found


def given_up(exchange: Exchange) -> Outcome:
    """Why a request whose task was cancelled has no answer: as it was recorded, if it was."""
    recorded: Outcome | None = exchange.notes.get("outcome")
    return recorded or ("disconnected" if exchange.cancelled() is None else "cancelled")


def _ending_of(error: BaseException, without: Outcome, *, server: bool) -> Ending:
    match error:
        case UnansweredError():
            raw, unanswered = error.error, True
        case DisconnectedError():
            return ending_without_answer("disconnected")
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
