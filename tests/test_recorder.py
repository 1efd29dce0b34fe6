"""The recorder as a transcript: what happens goes in, lines come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mcptap.errors import RecordingError
from mcptap.exchange import Exchange, Session
from mcptap.recorder import Recorder
from mcptap.tap.channel import NoChannel


class Tape:
    """Takes lines, until it is full; and a clock that stands until it is told to go on."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.full = False
        self.now = 100.0

    def append(self, line: Mapping[str, Any]) -> int:
        if self.full:
            raise RecordingError("the disk is full")
        self.lines.append(dict(line))
        return 1

    def clock(self) -> float:
        return self.now

    def kinds(self) -> list[str]:
        return [line["kind"] for line in self.lines]


@pytest.fixture
def tape() -> Tape:
    return Tape()


def a_session() -> Session:
    return Session("handshake", "stdio", {"name": "agent"}, NoChannel())


def a_call(session: Session, **arguments: Any) -> Exchange:
    return Exchange(session, "tools/call", {"name": "add", "arguments": arguments}, NoChannel())


def test_a_session_opens_with_its_first_request_and_a_request_is_one_line(tape: Tape) -> None:
    recorder, session = Recorder(tape, clock=tape.clock), a_session()
    for number in (1, 2):
        opened = recorder.begin(a_call(session, a=number))
        tape.now += 0.25
        opened.finish(result={"sum": number}, upstream_ms=200.0)
    assert tape.lines == [
        {
            "kind": "session",
            "session": 1,
            "at": 0.0,
            "era": "handshake",
            "transport": "stdio",
            "client": {"name": "agent"},
        },
        *(
            {
                "kind": "interaction",
                "seq": number,
                "session": 1,
                "at": 0.25 * (number - 1),
                "ms": 200.0,
                "proxy_ms": 50.0,
                "method": "tools/call",
                "params": {"name": "add", "arguments": {"a": number}},
                "result": {"sum": number},
            }
            for number in (1, 2)
        ),
    ]
    assert (recorder.recorded, recorder.written) == (2, 3)


def test_seq_is_by_arrival_and_lines_are_by_completion(tape: Tape) -> None:
    recorder, session = Recorder(tape, clock=tape.clock), a_session()
    first, second = (recorder.begin(a_call(session, a=number)) for number in (1, 2))
    second.finish(result={})
    first.finish(error={"code": -32000, "message": "no"})
    assert [line.get("seq") for line in tape.lines] == [None, 2, 1]


def test_what_happens_inside_a_request_is_in_its_line_in_order(tape: Tape) -> None:
    recorder = Recorder(tape, clock=tape.clock)
    opened = recorder.begin(a_call(a_session()))
    asking = opened.asked("elicitation/create", None)
    tape.now += 0.010
    opened.event("server", "notifications/progress", {"progress": 1})
    tape.now += 0.010
    opened.answered(asking, result={"action": "accept"})
    opened.finish(result={})
    events = tape.lines[-1]["events"]
    assert [(event["method"], event["at_ms"], event.get("ms")) for event in events] == [
        ("elicitation/create", 0.0, 20.0),
        ("notifications/progress", 10.0, None),
    ]


def test_what_a_client_never_answered_stands_in_the_request_that_ended_meanwhile(tape: Tape) -> None:
    recorder = Recorder(tape, clock=tape.clock)
    opened = recorder.begin(a_call(a_session()))
    asking = opened.asked("roots/list", None)
    tape.now += 0.010
    opened.finish(outcome="cancelled")
    opened.answered(asking, result={"roots": []})
    (event,) = tape.lines[-1]["events"]
    assert event == {"at_ms": 0.0, "from": "server", "method": "roots/list", "ms": 10.0}
    assert len(tape.lines) == 2


def test_an_interaction_that_stays_open_gets_lines_of_its_own(tape: Tape) -> None:
    recorder = Recorder(tape, clock=tape.clock)
    opened = recorder.begin(a_call(a_session()))
    opened.event("server", "notifications/progress", {"progress": 1})
    tape.now += 1.0
    recorder.still_open(opened)
    opened.event("server", "notifications/progress", {"progress": 2})
    opened.finish(outcome="cancelled")
    assert tape.kinds() == ["session", "begin", "event", "event", "end"]
    assert {line["seq"] for line in tape.lines[1:]} == {1}
    assert tape.lines[-1]["outcome"] == "cancelled"


def test_one_that_has_ended_is_not_begun_again(tape: Tape) -> None:
    recorder = Recorder(tape, clock=tape.clock)
    opened = recorder.begin(a_call(a_session()))
    opened.finish(result={})
    recorder.still_open(opened)
    assert tape.kinds() == ["session", "interaction"]


def test_waiting_in_vain_for_the_server_is_not_mcptaps_own_time(tape: Tape) -> None:
    recorder, exchange = Recorder(tape, clock=tape.clock), a_call(a_session())
    recorder.begin(exchange)
    tape.now += 0.25
    exchange.sent_at = tape.now
    tape.now += 30.0
    recorder.close()
    assert tape.lines[-1]["proxy_ms"] == 250.0
    assert "ms" not in tape.lines[-1]
    assert exchange.notes["outcome"] == "unanswered"


def test_what_is_pending_at_the_end_is_unanswered(tape: Tape) -> None:
    recorder = Recorder(tape, clock=tape.clock)
    recorder.begin(a_call(a_session()))
    recorder.close()
    assert tape.lines[-1]["outcome"] == "unanswered"


def test_an_appended_run_goes_on_counting_and_says_when_it_began(tape: Tape) -> None:
    recorder = Recorder(
        tape,
        first_seq=8,
        first_session=3,
        elapsed=60.0,
        started_at="2026-11-22T20:00:00.000Z",
        clock=tape.clock,
    )
    recorder.begin(a_call(a_session())).finish(result={})
    session, interaction = tape.lines
    assert (session["session"], session["at"]) == (3, 60.0)
    assert session["started_at"] == "2026-11-22T20:00:00.000Z"
    assert (interaction["seq"], interaction["at"]) == (8, 60.0)


def test_a_message_outside_any_request_is_a_line_of_its_own(tape: Tape) -> None:
    recorder = Recorder(tape, clock=tape.clock)
    recorder.message(a_session(), "server", "notifications/tools/list_changed", None)
    assert tape.lines[-1] == {
        "kind": "message",
        "session": 1,
        "at": 0.0,
        "from": "server",
        "method": "notifications/tools/list_changed",
    }


def test_a_full_disk_stops_the_recorder_and_is_told(tape: Tape) -> None:
    told: list[str] = []
    recorder = Recorder(tape, clock=tape.clock, on_failure=lambda error: told.append(str(error)))
    opened = recorder.begin(a_call(a_session()))
    tape.full = True
    with pytest.raises(RecordingError, match="full"):
        opened.finish(result={})
    assert told == ["the disk is full"]


def test_a_recorder_that_goes_on_marks_what_it_has_lost_as_soon_as_it_can(tape: Tape) -> None:
    recorder, session = Recorder(tape, clock=tape.clock, on_write_error="continue"), a_session()
    recorder.begin(a_call(session)).finish(result={})
    tape.full = True
    for _ in range(2):
        recorder.begin(a_call(session)).finish(result={})
    tape.full = False
    tape.now += 5.0
    recorder.begin(a_call(session)).finish(result={})
    assert tape.kinds() == ["session", "interaction", "gap", "interaction"]
    assert tape.lines[2] == {"kind": "gap", "at": 5.0, "lost": 2, "why": "the disk is full"}
    assert recorder.lost == 2


def test_what_is_lost_at_the_very_end_is_marked_at_the_close(tape: Tape) -> None:
    recorder = Recorder(tape, clock=tape.clock, on_write_error="continue")
    opened = recorder.begin(a_call(a_session()))
    tape.full = True
    opened.finish(result={})
    tape.full = False
    recorder.close()
    assert tape.kinds() == ["session", "gap"]
