from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from mcptap import codec
from mcptap.cassette import format as lines
from mcptap.cassette import parsing
from mcptap.cassette.joining import Joiner
from mcptap.model import (
    CassetteHeader,
    Event,
    Gap,
    Interaction,
    Message,
    Record,
    SessionStart,
)
from tests.cassette import samples

VALIDATOR = Draft202012Validator(lines.schema())


def through_the_file(line: dict[str, Any]) -> dict[str, Any]:
    """A line as a reader gets it, after holding it against the schema."""
    VALIDATOR.validate(line)
    text = codec.dumps(line)
    assert b"\n" not in text
    assert b"\x00" not in text
    read = codec.loads(text)
    assert codec.dumps(read) == text
    assert isinstance(read, dict)
    return read


def joined(*written: dict[str, Any]) -> list[Record]:
    joiner = Joiner()
    found = [joiner.add(offset, through_the_file(line)) for offset, line in enumerate(written)]
    return [one.record for one in [*found, *joiner.unanswered()] if one]


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(lines.schema())


@samples.unhurried
@given(samples.headers)
def test_header_comes_back(header: CassetteHeader) -> None:
    assert parsing.parse_header(through_the_file(lines.header_line(header))) == header


@samples.unhurried
@given(samples.sessions)
def test_session_comes_back(session: SessionStart) -> None:
    assert joined(lines.session_line(session)) == [session]


@samples.unhurried
@given(samples.interactions)
def test_interaction_comes_back(interaction: Interaction) -> None:
    assert joined(lines.interaction_line(interaction)) == [interaction]


@samples.unhurried
@given(samples.messages)
def test_message_comes_back(message: Message) -> None:
    assert joined(lines.message_line(message)) == [message]


@samples.unhurried
@given(samples.gaps)
def test_gap_comes_back(gap: Gap) -> None:
    assert joined(lines.gap_line(gap)) == [gap]


@samples.unhurried
@given(samples.interactions)
def test_split_interaction_comes_back_in_one_piece_with_its_events_in_order(interaction: Interaction) -> None:
    in_order = tuple(sorted(interaction.events, key=lambda event: event.at_ms))
    split = [
        lines.begin_line(interaction),
        *(lines.event_line(interaction.seq, event) for event in interaction.events),
        lines.end_line(interaction),
    ]

    (record,) = joined(*split)

    assert isinstance(record, Interaction)
    assert record.events == in_order
    assert lines.end_line(record) == split[-1]
    assert lines.begin_line(record) == split[0]


@samples.unhurried
@given(samples.interactions)
def test_begin_without_end_is_unanswered(interaction: Interaction) -> None:
    (record,) = joined(lines.begin_line(interaction))

    assert isinstance(record, Interaction)
    assert (record.outcome, record.result, record.error) == ("unanswered", None, None)
    assert lines.begin_line(record) == lines.begin_line(interaction)


def test_exact_numbers_keep_their_spelling_in_a_line() -> None:
    params = codec.loads(b'{"a":1.0,"b":1e-7,"c":1E400,"d":-0,"e":123456789012345678901234567890}')
    line = lines.message_line(Message(1, 0.5, "client", "m", params))

    assert codec.dumps(params) in codec.dumps(through_the_file(line))


def test_times_are_rounded_and_absent_members_are_left_out() -> None:
    interaction = Interaction(1, 1, 0.1234567, "ping", ms=1.23456, result={}, events=())

    assert lines.interaction_line(interaction) == {
        "kind": "interaction",
        "seq": 1,
        "session": 1,
        "at": 0.123457,
        "ms": 1.235,
        "method": "ping",
        "result": {},
    }


def test_an_empty_result_is_a_result() -> None:
    event = Event(1, "server", "ping", result={})
    line = lines.event_line(7, event)

    assert line["result"] == {}
    assert parsing.parse_event(line).asked


def test_line_of_an_unknown_kind_and_unknown_members_are_passed_over() -> None:
    joiner = Joiner()

    assert joiner.add(0, {"kind": "weather", "sunny": True}) is None
    assert joiner.add(1, {**lines.gap_line(samples.GAP), "sunny": True}) == ((1,), samples.GAP)


def test_event_and_end_without_begin_are_passed_over() -> None:
    assert joined(lines.event_line(2, samples.SPLIT.events[0]), lines.end_line(samples.SPLIT)) == []


VALID = lines.interaction_line(samples.call(1))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({}, "'kind' is missing"),
        ({"mcptap": "cassette", "version": 1}, "'kind' is missing"),
        ({**VALID, "seq": "1"}, "'seq' is not a whole number"),
        ({**VALID, "seq": -1}, "'seq' is not a whole number"),
        ({**VALID, "seq": True}, "'seq' is not a whole number"),
        ({**VALID, "at": None}, "'at' is missing"),
        ({**VALID, "at": "0"}, "'at' is not a number"),
        ({**VALID, "method": 1}, "'method' is not a string"),
        ({**VALID, "params": []}, "'params' is not an object"),
        ({**VALID, "events": {}}, "'events' is not a list of objects"),
        ({**VALID, "events": [1]}, "'events' is not a list of objects"),
        ({**VALID, "error": {}}, "not exactly one of result, error and outcome"),
        ({**VALID, "result": None}, "not exactly one of result, error and outcome"),
        ({**VALID, "result": None, "outcome": "lost"}, "'outcome' is not cancelled or"),
        ({**lines.session_line(samples.SESSION), "era": "stone"}, "'era' is not handshake or modern"),
        ({**lines.message_line(samples.MESSAGE), "from": "x"}, "'from' is not client or server"),
    ],
)
def test_line_that_does_not_say_what_it_must_is_refused_with_the_reason(
    line: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        Joiner().add(0, line)
    with pytest.raises(ValidationError):
        VALIDATOR.validate(line)


def test_request_that_begins_twice_is_refused() -> None:
    joiner = Joiner()
    joiner.add(0, lines.begin_line(samples.SPLIT))

    with pytest.raises(ValueError, match="request 2 has begun already"):
        joiner.add(1, lines.begin_line(samples.SPLIT))
