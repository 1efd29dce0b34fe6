"""Transcripts of what a client hears outside its requests, against the order in which it was recorded.

A recording is told by what happened in it, a moment each: ``A`` a request comes, ``a`` it has its outcome,
``!m`` the server says something, ``?m`` it asks, ``=m`` the client answers that, ``.n`` the client says
something. ``~a`` is the end of a request that the client gave up.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcptap.announcer import Announcer, Remark
from mcptap.cassette.index import Entry, MessageEntry
from mcptap.cassette.timeline import TimelineBuilder
from mcptap.matching.miss import Miss, Reason
from mcptap.model import Interaction, Message, Outcome, Side

MISS = Miss("roots/list", None, Reason.ANSWER_DIFFERS, "It differs.", None, ())


class Replay:
    """A client session in replay, which says and answers at once what it may."""

    def __init__(self, recorded: str) -> None:
        self.requests: dict[str, Entry] = {}
        self.messages: dict[str, MessageEntry] = {}
        builder = TimelineBuilder[Entry, MessageEntry]()
        since: dict[str, int] = {}
        for time, moment in enumerate(recorded.split()):
            name = moment[-1]
            match moment[0]:
                case "!" | ".":
                    source: Side = "server" if moment[0] == "!" else "client"
                    message = Message(1, time, source, name)
                    builder.add_message(self._message(name), message)
                case "?":
                    since[name] = time
                case "=":
                    took = (time - since.pop(name)) * 1000.0
                    builder.add_message(
                        self._message(name), Message(1, time, "server", name, result={}, ms=took)
                    )
                case _ if moment.isupper():
                    since[name] = time
                case _:
                    began = since.pop(name.upper())
                    outcome: Outcome | None = "cancelled" if moment[0] == "~" else None
                    builder.add_request(
                        self._request(name.upper()),
                        Interaction(
                            0, 1, began, name, ms=None, proxy_ms=(time - began) * 1000.0, outcome=outcome
                        ),
                    )
        assert not since
        timeline = builder.built()
        self.announcer = Announcer({} if timeline is None else {1: timeline})
        self.heard: list[str] = []
        self.asking: list[Remark] = []
        self.waiting: list[str] = []

    def play(self, moments: str, *, answers: bool = True) -> str:
        """Give what the client hears, and the outcomes as it gets them: ``(a)`` where one has to wait."""
        start = len(self.heard)
        for moment in moments.split():
            if moment[0] == ".":
                self.announcer.heard(self.messages[moment[1]])
            elif moment[0] == "=":
                self.answer(moment[1])
            elif moment.isupper():
                self.announcer.arrived(self.requests[moment])
            else:
                self.waiting.append(moment)
                self.settle(answers=answers)
                if moment in self.waiting:
                    self.heard.append(f"({moment})")
            self.settle(answers=answers)
        return " ".join(self.heard[start:])

    def settle(self, *, answers: bool) -> None:
        """Let everything happen that may."""
        while True:
            before = len(self.heard)
            for name in list(self.waiting):
                if not self.announcer.holds(self.requests[name.upper()]):
                    self.waiting.remove(name)
                    missed = self.announcer.miss(self.requests[name.upper()])
                    self.heard.append(name if missed is None else f"-{name}")
                    self.announcer.ended(self.requests[name.upper()])
            while (remark := self.announcer.next()) is not None:
                self.heard.append(self.name_of(remark))
                if remark.done == remark.told:
                    self.announcer.done(remark)
                else:
                    self.asking.append(remark)
            while answers and self.asking:
                self.answer(self.name_of(self.asking[0]))
            if len(self.heard) == before:
                return

    def answer(self, name: str, miss: Miss | None = None) -> None:
        remark = next(each for each in self.asking if self.name_of(each) == name)
        self.asking.remove(remark)
        self.heard.append(f"={name}")
        self.announcer.done(remark, miss)

    def give_up(self, name: str) -> None:
        self.announcer.ended(self.requests[name])
        self.settle(answers=True)

    def name_of(self, remark: Remark) -> str:
        return next(name for name, entry in self.messages.items() if entry is remark.entry)

    def _request(self, name: str) -> Entry:
        return self.requests.setdefault(
            name, Entry(ord(name), 1, "handshake", "tools/call", name.encode(), ())
        )

    def _message(self, name: str) -> MessageEntry:
        return self.messages.setdefault(name, MessageEntry(1, 0.0, ord(name)))


def test_a_message_is_said_after_what_it_followed() -> None:
    assert Replay("A a !m B b !n").play("A a B b") == "a m b n"


def test_what_was_said_before_anything_else_is_said_at_once() -> None:
    assert Replay("!m A a").play("A a") == "m a"


def test_each_is_said_once() -> None:
    replay = Replay("A a !m .x !n")
    assert replay.play("A a .x") == "a m n"
    assert replay.play("A a .x") == "a"


def test_requests_that_end_in_another_order_leave_the_messages_in_theirs() -> None:
    assert Replay("A B a !m b !n").play("A B b a") == "(b) a m b n"
    assert Replay("A a !m B b !n").play("A B b a") == "b a m n"


def test_nobody_waits_for_what_follows_a_request_that_is_not_made() -> None:
    assert Replay("A a !m B b !n").play("B b") == "b n"


def test_what_was_not_waited_for_is_said_when_it_is_due() -> None:
    assert Replay("A a !m B b !n").play("B b A a") == "b n a m"


def test_nobody_waits_for_a_request_that_the_client_has_to_give_up() -> None:
    replay = Replay("A ~a !m B b !n")
    assert replay.play("A B b") == "b n"
    replay.give_up("A")
    assert replay.heard[-1] == "m"


def test_a_question_is_asked_while_the_requests_are_in_flight_that_were_then() -> None:
    assert Replay("A a B C ?q =q b c").play("A a B C c b") == "a q =q c b"


def test_an_outcome_waits_for_the_answer_that_came_before_it() -> None:
    replay = Replay("A ?q =q a")
    assert replay.play("A a", answers=False) == "q (a)"
    assert replay.play("=q") == "=q a"


def test_an_outcome_does_not_wait_for_an_answer_that_came_after_it() -> None:
    replay = Replay("A B ?q a =q b")
    assert replay.play("A B a b", answers=False) == "q a (b)"
    assert replay.play("=q") == "=q b"


def test_an_outcome_does_not_wait_for_a_request_that_is_not_made() -> None:
    assert Replay("A B ?q =q a b").play("A a") == "q =q a"


def test_what_was_said_before_an_answer_does_not_wait_for_it_and_what_came_after_does() -> None:
    replay = Replay("A ?q !m =q !n a")
    assert replay.play("A a", answers=False) == "q m (a)"
    assert replay.play("=q") == "=q n a"


def test_what_was_said_in_a_request_is_said_before_its_outcome() -> None:
    assert Replay("A B !m a b").play("A a B b") == "m a b"
    assert Replay("A B b !m a").play("A B a b") == "(a) b m a"


def test_a_client_that_answers_otherwise_gets_no_outcome_of_a_request_in_flight_then() -> None:
    replay = Replay("A ?q =q a B b")
    assert replay.play("A a", answers=False) == "q (a)"
    replay.answer("q", MISS)
    assert replay.play("B b") == "-a b"


@st.composite
def recordings(draw: st.DrawFn) -> tuple[str, str]:
    """A recording, and what a client does in replay: some of its requests, in any order."""
    closed, open_, recorded = list("ABCDE"), list[str](), list[str]()
    messages, asking = list("mnopqrst"), list[str]()
    while closed or open_ or asking:
        possible = {"open": closed, "end": open_, "say": messages, "ask": messages, "answer": asking}
        kind = draw(st.sampled_from([kind for kind, left in possible.items() if left]))
        if kind == "open":
            open_.append(closed.pop())
            recorded.append(open_[-1])
        elif kind == "end":
            ended = open_.pop(draw(st.integers(0, len(open_) - 1)))
            recorded.append(draw(st.sampled_from(["", "~"])) + ended.lower())
        elif kind == "answer":
            recorded.append("=" + asking.pop(draw(st.integers(0, len(asking) - 1))))
        else:
            name = messages.pop()
            recorded.append(("!" if kind == "say" else "?") + name)
            asking += [name] * (kind == "ask")
    given_up = {moment[1] for moment in recorded if moment[0] == "~"}
    made = draw(st.permutations(draw(st.lists(st.sampled_from("ABCDE"), unique=True))))
    live, moments = list(made), []
    running: list[str] = []
    while live or running:
        if live and (not running or draw(st.booleans())):
            running.append(live.pop())
            moments.append(running[-1])
        else:
            ended = running.pop(draw(st.integers(0, len(running) - 1))).lower()
            moments += [] if ended in given_up else [ended]
    return " ".join(recorded), " ".join(moments)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine is no finding
@given(recordings())
def test_whatever_the_client_does_every_request_has_its_outcome_and_the_order_holds(
    case: tuple[str, str],
) -> None:
    recorded, moments = case
    replay = Replay(recorded)
    replay.play(moments)
    assert replay.waiting == []
    heard = [each for each in replay.heard if each[0] not in "(="]
    assert len(set(heard)) == len(heard)
    order = [moment.lstrip("!?~") for moment in recorded.split() if moment[0] != "="]
    for outcome in (each for each in heard if each in "abcde"):
        began, ended = order.index(outcome.upper()), order.index(outcome)
        inside = [each for each in order[began:ended] if each in "mnopqrst"]
        assert set(inside) <= set(heard[: heard.index(outcome)])
