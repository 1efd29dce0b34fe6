"""What the lines of a cassette say, as the model's values: the way back from `mcptap.cassette.format`.

Members that are not known are passed over, so that a cassette of a later mcptap can be read as long
as its version is the same. Every function raises ValueError with a reason in plain words where a
member is missing or of the wrong type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast, get_args

from mcptap.cassette import members
from mcptap.model import (
    CassetteHeader,
    Era,
    Event,
    Gap,
    Interaction,
    Json,
    Message,
    Outcome,
    SessionStart,
    Side,
    Target,
)

_ANSWERS = ("result", "error", "outcome")


def parse_header(line: Json) -> CassetteHeader:
    """The header that `format.header_line` wrote; its marker and version are the reader's to judge."""
    upstream = members.optional_object(line, "upstream")
    return CassetteHeader(
        id=members.text(line, "id"),
        recorded_at=members.text(line, "recorded_at"),
        by=members.text(line, "by"),
        upstream=None if upstream is None else _target(upstream),
        redaction=members.texts(line, "redaction"),
        salt=members.optional_text(line, "salt"),
        version=members.whole_number(line, "version"),
    )


def _target(line: Json) -> Target:
    return Target(
        name=members.text(line, "name"),
        transport=members.text(line, "transport"),
        target=members.texts(line, "target"),
    )


def parse_session(line: Json) -> SessionStart:
    """The session start that `format.session_line` wrote."""
    return SessionStart(
        session=members.whole_number(line, "session"),
        at=members.number(line, "at"),
        era=cast("Era", members.one_of(line, "era", get_args(Era))),
        transport=members.text(line, "transport"),
        client=members.optional_object(line, "client"),
        started_at=members.optional_text(line, "started_at"),
    )


def parse_interaction(line: Json) -> Interaction:
    """The interaction that `format.interaction_line` wrote."""
    events = [parse_event(event) for event in members.objects(line, "events")]
    return parse_end(line, parse_begin(line), events)


def parse_begin(line: Json) -> Interaction:
    """The request that `format.begin_line` wrote, as an unanswered one."""
    return Interaction(
        seq=members.whole_number(line, "seq"),
        session=members.whole_number(line, "session"),
        at=members.number(line, "at"),
        method=members.text(line, "method"),
        params=members.optional_object(line, "params"),
        outcome="unanswered",
        trace_id=members.optional_text(line, "trace_id"),
        span_id=members.optional_text(line, "span_id"),
    )


def parse_event(line: Json) -> Event:
    """The event that `format.event_line` wrote, or an item of an interaction's ``events``."""
    return Event(at_ms=members.number(line, "at_ms"), **_spoken(line))


def parse_end(line: Json, begun: Interaction, events: Sequence[Event]) -> Interaction:
    """The request ``begun`` with its ``events`` and the outcome that `format.end_line` wrote."""
    if sum(line.get(name) is not None for name in _ANSWERS) != 1:
        raise ValueError("it has not exactly one of result, error and outcome")
    outcome = None
    if line.get("outcome") is not None:
        outcome = cast("Outcome", members.one_of(line, "outcome", get_args(Outcome)))
    return replace(
        begun,
        ms=members.optional_number(line, "ms"),
        proxy_ms=members.optional_number(line, "proxy_ms"),
        result=members.optional_object(line, "result"),
        error=members.optional_object(line, "error"),
        outcome=outcome,
        events=tuple(events),
    )


def parse_message(line: Json) -> Message:
    """The message that `format.message_line` wrote."""
    return Message(
        session=members.whole_number(line, "session"), at=members.number(line, "at"), **_spoken(line)
    )


def parse_gap(line: Json) -> Gap:
    """The gap that `format.gap_line` wrote."""
    return Gap(
        at=members.number(line, "at"),
        lost=members.whole_number(line, "lost"),
        why=members.text(line, "why"),
    )


def _spoken(line: Json) -> dict[str, Any]:
    """The members that an event and a message have in common."""
    return {
        "source": cast("Side", members.one_of(line, "from", get_args(Side))),
        "method": members.text(line, "method"),
        "params": members.optional_object(line, "params"),
        "result": members.optional_object(line, "result"),
        "error": members.optional_object(line, "error"),
        "ms": members.optional_number(line, "ms"),
    }
