"""A recording as spans, with its own times: those that it had live, or would have had."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, get_current_span

from mcptap.model import CassetteHeader, Event, Interaction, Json, Record, SessionStart
from mcptap.protocol import VERSION_META, meta_of
from mcptap.redaction.header import redactor_of
from mcptap.telemetry import content
from mcptap.telemetry import conventions as names
from mcptap.telemetry.context import Propagation, recorded_span
from mcptap.telemetry.operation import (
    SUCCESS,
    WITH_URI,
    Attribute,
    Attributes,
    Ending,
    Operation,
    ending_of_error,
    ending_of_result,
    ending_without_answer,
    operation_of,
    server_of,
    uri_of,
)

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NANOSECONDS: Final = 1_000_000_000
_LATEST: Final = 2**63 - 1


class Recording(Protocol):
    """A cassette that can be read, past its damage or not."""

    @property
    def path(self) -> Path:
        """Its name."""

    @property
    def header(self) -> CassetteHeader:
        """Its first line."""

    def records(self) -> Iterator[Record]:
        """Its records; raises CassetteError."""


@dataclass(frozen=True, slots=True)
class About:
    """What all spans of an export have in common.

    Attributes:
        resource: What is said of mcptap.
        scope: The instrumentation scope.
        capture_content: Whether arguments and results are shown.
    """

    resource: Resource
    scope: InstrumentationScope
    capture_content: bool = False


def spans_of(cassette: Recording, about: About) -> Iterator[ReadableSpan]:
    """The spans of every recorded request, in the order of the cassette.

    A request that was recorded without telemetry has ids of its own, the same ones each time. When the
    server was asked within mcptap's own time is not recorded, so that stands half before and half after.

    Args:
        cassette: The recording.
        about: What all spans have in common.

    Raises:
        CassetteError: The cassette can't be read.
    """
    zero = int(datetime.fromisoformat(cassette.header.recorded_at).timestamp() * _NANOSECONDS)
    redact = content.redact_by([redactor_of(cassette.header)], cassette.header.upstream)
    sessions: dict[int, SessionStart] = {}
    versions: dict[int, str] = {}
    for record in cassette.records():
        if isinstance(record, SessionStart):
            sessions[record.session] = record
        elif isinstance(record, Interaction):
            if record.method == "initialize" and record.result is not None:
                versions[record.session] = str(record.result.get("protocolVersion"))
            yield from _Request(cassette, about, redact, zero, record, sessions, versions).spans()


class _Request:
    def __init__(
        self,
        cassette: Recording,
        about: About,
        redact: content.Redact,
        zero: int,
        interaction: Interaction,
        sessions: dict[int, SessionStart],
        versions: dict[int, str],
    ) -> None:
        self._cassette = cassette
        self._about = about
        self._redact = redact
        self._interaction = interaction
        self._started = zero + _whole(interaction.at * _NANOSECONDS)
        session = sessions.get(interaction.session)
        version = meta_of(interaction.params).get(VERSION_META) or versions.get(interaction.session)
        upstream = cassette.header.upstream
        self._front = partial(
            operation_of, version=version, transport=session.transport if session else "memory"
        )
        self._back = partial(
            operation_of,
            version=version,
            transport=upstream.transport if upstream else "memory",
            server=server_of(upstream),
        )
        self._parent, self._context = self._place()

    def spans(self) -> Iterator[ReadableSpan]:
        """The SERVER span, the CLIENT span inside it and those of what the server asked."""
        interaction = self._interaction
        own_ms = interaction.proxy_ms or 0.0
        last = max((event.at_ms + (event.ms or 0.0) for event in interaction.events), default=0.0)
        # How long the server was waited for in vain is not recorded: until the last that it said.
        upstream_ms = interaction.ms if interaction.ms is not None else max(0.0, last - own_ms)
        total = max(upstream_ms + own_ms, last)
        inside = self._context
        if interaction.ms is not None or interaction.outcome is not None:
            inside = self._derived("hop")
            times = (own_ms / 2, own_ms / 2 + upstream_ms)
            ending = self._ending(server=False)
            yield self._span(SpanKind.CLIENT, interaction, self._back, (inside, self._context), times, ending)
        for number, event in enumerate(interaction.events):
            if event.asked:
                yield from self._asked(number, event, inside)
        more: dict[str, Attribute] = {
            names.PROXY_DURATION: own_ms / 1000,
            names.CASSETTE: str(self._cassette.path),
            names.SEQ: interaction.seq,
        }
        yield self._span(
            SpanKind.SERVER,
            interaction,
            self._front,
            (self._context, self._parent),
            (0.0, total),
            self._ending(server=True),
            more=more,
            events=[each for each in interaction.events if not each.asked],
        )

    def _asked(self, number: int, event: Event, inside: SpanContext) -> Iterator[ReadableSpan]:
        outer, inner = self._derived(f"asked {number}"), self._derived(f"passed on {number}")
        until = event.at_ms + (event.ms or 0.0)
        for kind, context, parent in ((SpanKind.SERVER, outer, inside), (SpanKind.CLIENT, inner, outer)):
            server = kind is SpanKind.SERVER
            ending = SUCCESS if event.error is None else ending_of_error(event.error, server=server)
            yield self._span(kind, event, self._front, (context, parent), (event.at_ms, until), ending)

    def _place(self) -> tuple[SpanContext | None, SpanContext]:
        """The parent that the client named, and the span itself."""
        interaction = self._interaction
        context, _ = Propagation().parent_of(meta_of(interaction.params), None, Context())
        named = get_current_span(context).get_span_context()
        parent = named if named.is_valid else None
        own = recorded_span(interaction.trace_id, interaction.span_id)
        if own is None:
            trace_id = parent.trace_id if parent is not None else self._number("trace", 16)
            return parent, SpanContext(
                trace_id, self._number("span", 8), is_remote=False, trace_flags=_SAMPLED
            )
        if parent is not None and parent.trace_id != own.trace_id:
            parent = None
        return parent, SpanContext(own.trace_id, own.span_id, is_remote=False, trace_flags=_SAMPLED)

    def _derived(self, part: str) -> SpanContext:
        number = self._number(part, 8)
        return SpanContext(self._context.trace_id, number, is_remote=False, trace_flags=_SAMPLED)

    def _number(self, part: str, size: int) -> int:
        text = f"{self._cassette.header.id}/{self._interaction.seq}/{part}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:size]) or 1

    def _ending(self, *, server: bool) -> Ending:
        interaction = self._interaction
        if interaction.result is not None:
            return ending_of_result(interaction.method, interaction.result)
        if interaction.error is not None:
            return ending_of_error(interaction.error, server=server)
        return ending_without_answer(interaction.outcome or "unanswered")

    def _at(self, milliseconds: float) -> int:
        return min(max(self._started + _whole(milliseconds * 1_000_000), 0), _LATEST)

    def _span(
        self,
        kind: SpanKind,
        said: Interaction | Event,
        describe: Callable[[str, Json | None], Operation],
        place: tuple[SpanContext, SpanContext | None],
        times: tuple[float, float],
        ending: Ending,
        *,
        more: Attributes | None = None,
        events: Sequence[Event] = (),
    ) -> ReadableSpan:
        """One span: where it stands (itself, its parent) and when (milliseconds from the arrival)."""
        method, params = said.method, said.params
        operation = describe(method, params)
        attributes = {**operation.attributes, **ending.metric_attributes(), **(more or {})}
        if method in WITH_URI and (uri := uri_of(params)) is not None:
            attributes[names.RESOURCE_URI] = content.redacted_text(self._redact, "uri", uri)
        if ending.outcome is not None:
            attributes[names.OUTCOME] = ending.outcome
        if self._about.capture_content:
            attributes |= content.of_params(method, self._redact(params or {}))
            if method == "tools/call" and said.result is not None:
                attributes |= content.of_result(self._redact(said.result))
        message = ending.description and content.redacted_text(self._redact, "message", ending.description)
        failed = ending.error_type is not None
        return ReadableSpan(
            operation.span_name,
            context=place[0],
            parent=place[1],
            resource=self._about.resource,
            attributes=attributes,
            events=[
                SpanEvent(each.method, {names.METHOD: each.method}, self._at(each.at_ms)) for each in events
            ],
            kind=kind,
            status=Status(StatusCode.ERROR, message) if failed else Status(),
            start_time=self._at(times[0]),
            end_time=self._at(times[1]),
            instrumentation_scope=self._about.scope,
        )


def _whole(nanoseconds: float) -> int:
    """A number of nanoseconds that OTLP can hold: a recording may have times that no clock gives."""
    return round(min(max(nanoseconds, -_LATEST), _LATEST))
