from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptap.cassette.index import CassetteIndex, Entry, MessageEntry
from mcptap.cassette.timeline import TimelineBuilder
from mcptap.matching.canonical import canonical, capabilities_of, key_of
from mcptap.matching.miss import Miss, Reason
from mcptap.matching.nearest import MOST_CANDIDATES
from mcptap.matching.refusal import Refusal
from mcptap.matching.rules import Matching
from mcptap.model import Era, Event, Interaction, Message
from mcptap.player import Answer, Cursor, Hit, Player, Pong, Repeats
from mcptap.tally import Summary

Asked = tuple[Era, str, dict[str, Any] | None]


class InMemory:
    """A recording of requests and their outcomes, in order."""

    def __init__(self, *recorded: tuple[Asked, dict[str, Any]]) -> None:
        """Take requests with their outcomes; an outcome may name a ``session`` other than 1."""
        self.interactions: list[Interaction] = []
        self.entries: list[Entry] = []
        self.by_key: dict[bytes, list[Entry]] = defaultdict(list)
        self.by_method: dict[str, list[Entry]] = defaultdict(list)
        self.said: dict[bytes, list[MessageEntry]] = {}
        self.timelines: dict[int, Any] = {}
        self.messages: dict[int, Message] = {}
        self.reads = 0
        for seq, ((era, method, params), outcome) in enumerate(recorded):
            members = {"session": 1, **outcome}
            interaction = Interaction(seq, at=0.0, method=method, params=params, **members)
            self.interactions.append(interaction)
            key, variant = key_of(era, method, params), capabilities_of(params)
            entry = Entry(seq, interaction.session, era, method, key, (seq,), variant=variant)
            self.entries.append(entry)
            self.by_key[entry.key].append(entry)
            self.by_method[method].append(entry)

    def read(self, entry: Entry) -> Interaction:
        self.reads += 1
        return self.interactions[entry.seq]

    def read_message(self, entry: MessageEntry) -> Message:
        return self.messages[entry.offset]


def handshake(method: str, params: dict[str, Any] | None = None) -> Asked:
    return "handshake", method, params


def modern(method: str, params: dict[str, Any] | None = None) -> Asked:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    return "modern", method, {**(params or {}), "_meta": meta}


def initialize(version: str, client: str = "agent") -> Asked:
    info = {"name": client, "version": "1"}
    return handshake("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": info})


def add(a: int, **meta: Any) -> Asked:
    return handshake(
        "tools/call", {"name": "add", "arguments": {"a": a}, **({"_meta": meta} if meta else {})}
    )


def answers(value: Any) -> dict[str, Any]:
    return {"result": {"value": value}}


def fails(code: int) -> dict[str, Any]:
    return {"error": {"code": code, "message": "no"}}


def say(answer: Answer) -> Any:
    """An answer as a transcript shows it."""
    match answer:
        case Hit(_, interaction, repeat):
            said = interaction.outcome or (interaction.result or {}).get("value", interaction.error)
            return (said, "repeat") if repeat else said
        case Pong(result):
            return ("pong", result)
        case Refusal(error):
            return ("refused", error["code"])
        case Miss():
            return ("miss", answer.reason.name)


def play(cursor: Cursor, *asked: Asked) -> list[Any]:
    return [say(cursor.find(*one)) for one in asked]


SESSION = (
    (initialize("2025-11-25"), answers("hello")),
    (handshake("tools/list"), answers("tools")),
    (add(1), answers("first")),
    (add(2), answers("other")),
    (add(1), answers("second")),
)


def recorded(*more: tuple[Asked, dict[str, Any]], repeats: Repeats = "last") -> Player:
    return Player(InMemory(*SESSION, *more), repeats=repeats)


def test_a_cassette_index_is_a_recording() -> None:
    player = Player(CassetteIndex.of([], key_of))
    assert play(player.cursor(), add(1)) == [("miss", "NO_ENTRY")]


# The same request again


def test_a_session_is_played_as_it_was_recorded() -> None:
    player = recorded()
    asked = [request for request, _ in SESSION]
    assert play(player.cursor(), *asked) == ["hello", "tools", "first", "other", "second"]
    assert player.summary() == Summary(played=5, repeated=0, missed=0, unused=0)


def test_the_same_request_gets_its_answers_in_order_and_then_the_last_one_as_a_repeat() -> None:
    player = recorded()
    assert play(player.cursor(), add(1), add(1), add(1), add(1)) == [
        "first",
        "second",
        ("second", "repeat"),
        ("second", "repeat"),
    ]
    assert player.summary() == Summary(played=4, repeated=2, missed=0, unused=3)


def test_an_answer_too_many_can_be_a_miss() -> None:
    player = recorded(repeats="error")
    asked = [add(1), add(1), add(1), add(2), handshake("tools/list"), handshake("tools/list")]
    given = ["first", "second", ("miss", "USED_UP"), "other", "tools", "tools"]
    assert play(player.cursor(), *asked) == given
    assert player.summary() == Summary(played=5, repeated=0, missed=1, unused=1)
    assert play(player.cursor(), add(1)) == ["first"]


def test_answers_can_begin_anew() -> None:
    player = recorded(repeats="cycle")
    given = ["first", "second", ("first", "repeat"), ("second", "repeat"), ("first", "repeat")]
    assert play(player.cursor(), *[add(1)] * 5) == given


# The order of a session

ORDERED = (
    (handshake("tools/list"), answers("tools")),
    (add(1), answers("first")),
    (add(2), answers("other")),
    (add(1), answers("second")),
)


def in_order(*more: tuple[Asked, dict[str, Any]], repeats: Repeats = "last") -> Player:
    return Player(InMemory(*ORDERED, *more), (), Matching(sequence=True), repeats)


def test_a_session_in_order_is_played_as_it_was_recorded() -> None:
    player = in_order()
    given = play(player.cursor(), *(request for request, _ in ORDERED))
    assert given == ["tools", "first", "other", "second"]
    assert player.summary() == Summary(played=4, repeated=0, missed=0, unused=0)


def test_what_comes_out_of_order_is_a_miss_and_moves_nothing() -> None:
    cursor = in_order().cursor()
    assert play(cursor, add(2), add(1), add(1), add(2), add(1)) == [
        ("miss", "OUT_OF_ORDER"),
        "first",
        ("miss", "OUT_OF_ORDER"),
        "other",
        "second",
    ]


def test_an_order_that_is_over_can_begin_anew() -> None:
    whole = [add(1), add(2), add(1)]
    assert play(in_order().cursor(), *whole, add(1)) == ["first", "other", "second", ("miss", "USED_UP")]
    again = [("first", "repeat"), ("other", "repeat"), ("second", "repeat")]
    assert play(in_order(repeats="cycle").cursor(), *whole, *whole) == ["first", "other", "second", *again]


def test_lists_have_no_order() -> None:
    tools = handshake("tools/list")
    given = play(in_order().cursor(), add(1), tools, tools, add(2), tools)
    assert given == ["first", "tools", "tools", "other", "tools"]


def test_each_session_goes_the_way_of_a_recorded_one() -> None:
    other_way = [(add(1), {**answers("third"), "session": 2}), (add(3), {**answers("last"), "session": 2})]
    player = in_order(*other_way)
    assert play(player.cursor(), add(1), add(3), add(2)) == ["first", "last", ("miss", "OUT_OF_ORDER")]
    assert play(player.cursor(), add(1), add(2), add(1)) == ["first", "other", "second"]
    assert play(player.cursor(), add(3)) == [("miss", "OUT_OF_ORDER")]


few = st.integers(1, 3).map(add) | st.just(handshake("tools/list"))
sessions = st.lists(st.tuples(few, st.integers(1, 2)), max_size=6)


@given(sessions, st.lists(few, max_size=8), st.sampled_from(["last", "error", "cycle"]))
def test_the_order_only_ever_narrows(
    kept: list[tuple[Asked, int]], live: list[Asked], repeats: Repeats
) -> None:
    tape = [(asked, {**answers(place), "session": session}) for place, (asked, session) in enumerate(kept)]
    strict = Player(InMemory(*tape), (), Matching(sequence=True), repeats).cursor()
    free = Player(InMemory(*tape)).cursor()
    for asked in live:
        if isinstance(strict.find(*asked), Hit):
            assert isinstance(free.find(*asked), Hit)


@given(sessions)
def test_a_recorded_session_always_has_its_own_order(kept: list[tuple[Asked, int]]) -> None:
    tape = [(asked, {**answers(place), "session": session}) for place, (asked, session) in enumerate(kept)]
    player = Player(InMemory(*tape), (), Matching(sequence=True))
    for session in (1, 2):
        cursor = player.cursor()
        assert all(isinstance(cursor.find(*asked), Hit) for asked, of in kept if of == session)


def test_volatile_meta_makes_no_other_request() -> None:
    again = add(1, progressToken="live", traceparent="00-…")
    assert play(recorded().cursor(), again, again) == ["first", "second"]


values = st.sampled_from([0, 1, 1.0, "1", "", None, True, [], {}, [1], {"a": 1}])
arguments = st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2)


@given(arguments, arguments)
def test_a_changed_request_never_matches(one: dict[str, Any], other: dict[str, Any]) -> None:
    tape, live = ({"name": "f", "arguments": each} for each in (one, other))
    player = Player(InMemory((handshake("tools/call", tape), answers("recorded"))))
    found = player.cursor().find(*handshake("tools/call", live))
    assert isinstance(found, Hit) == (canonical(one) == canonical(other))


def test_lists_repeat_for_ever_and_that_is_no_repeat() -> None:
    player = recorded((handshake("tools/list"), answers("more tools")))
    asked = [handshake("tools/list")] * 4
    assert play(player.cursor(), *asked) == ["tools", "more tools", "more tools", "more tools"]
    assert player.summary().repeated == 0


def test_errors_and_outcomes_are_answers_like_any_other() -> None:
    player = recorded((add(3), {"outcome": "cancelled"}), (add(4), fails(-32602)))
    assert play(player.cursor(), add(3), add(4)) == ["cancelled", {"code": -32602, "message": "no"}]


# Clients


def test_every_client_starts_from_the_beginning() -> None:
    player = recorded()
    one, other = player.cursor(), player.cursor()
    assert play(one, add(1)) == ["first"]
    assert play(other, add(1)) == ["first"]
    assert play(one, add(1)) == ["second"]
    assert play(other, add(1)) == ["second"]
    assert player.summary().repeated == 0


def test_a_hundred_clients_initialize_whoever_they_are() -> None:
    player = recorded()
    for number in range(100):
        assert play(player.cursor(), initialize("2025-11-25", f"client {number}")) == ["hello"]
    assert player.summary() == Summary(played=100, repeated=0, missed=0, unused=4)


def test_a_client_of_another_version_is_offered_the_recorded_one() -> None:
    player = Player(
        InMemory(
            (initialize("1.0"), fails(-32602)),
            (initialize("2025-06-18"), answers("older")),
            (initialize("2025-11-25"), answers("newer")),
        )
    )
    assert play(player.cursor(), initialize("2025-11-25")) == ["newer"]
    assert play(player.cursor(), initialize("2024-11-05")) == ["older"]
    assert play(player.cursor(), initialize("1.0")) == [{"code": -32602, "message": "no"}]


# Ping


def test_a_ping_that_was_never_recorded_is_answered_as_the_specification_demands() -> None:
    player = recorded()
    assert play(player.cursor(), handshake("ping"), handshake("ping")) == [("pong", {}), ("pong", {})]
    assert player.summary() == Summary(played=2, repeated=0, missed=0, unused=5)


def test_a_recorded_ping_is_played() -> None:
    player = recorded((handshake("ping"), answers("odd")))
    assert play(player.cursor(), handshake("ping"), handshake("ping")) == ["odd", "odd"]


def test_the_modern_era_has_no_ping() -> None:
    player = Player(InMemory((modern("tools/list"), answers("tools"))))
    assert play(player.cursor(), modern("ping")) == [("miss", "NO_ENTRY")]


# Eras


def test_a_client_of_the_other_era_is_refused_by_a_handshake_recording() -> None:
    player = recorded()
    asked = [modern("server/discover"), modern("tools/list"), initialize("2025-11-25")]
    assert play(player.cursor(), *asked) == [("refused", -32601), ("refused", -32600), "hello"]
    assert player.summary() == Summary(played=1, repeated=0, missed=0, unused=4)


def test_a_client_of_the_other_era_is_refused_by_a_modern_recording() -> None:
    player = Player(InMemory((modern("server/discover"), answers("hello"))))
    asked = [initialize("2025-11-25"), handshake("ping"), modern("server/discover")]
    assert play(player.cursor(), *asked) == [("refused", -32022), ("refused", -32600), "hello"]


def test_a_recorded_probe_that_failed_fails_again_and_is_no_sign_of_the_modern_era() -> None:
    player = recorded((modern("server/discover"), fails(-32000)))
    probe_and_call = [modern("server/discover"), modern("tools/call", {"name": "add"})]
    assert play(player.cursor(), *probe_and_call) == [{"code": -32000, "message": "no"}, ("refused", -32600)]
    assert player.summary().missed == 0


def test_a_recorded_initialize_that_was_refused_is_no_sign_of_the_handshake_era() -> None:
    player = Player(
        InMemory((initialize("2025-11-25"), fails(-32022)), (modern("server/discover"), answers("hello")))
    )
    assert play(player.cursor(), initialize("2025-11-25")) == [{"code": -32022, "message": "no"}]
    answer = player.cursor().find(*initialize("2025-06-18"))
    assert isinstance(answer, Refusal)
    assert answer.error["data"]["requested"] == "2025-06-18"


def test_a_recording_of_both_eras_answers_each_client_from_its_own() -> None:
    player = recorded((modern("tools/list"), answers("modern tools")))
    asked = [modern("tools/list"), handshake("tools/list"), modern("tools/call", {"name": "add"})]
    assert play(player.cursor(), *asked) == ["modern tools", "tools", ("miss", "NO_ENTRY")]


def test_a_recording_without_any_result_refuses_nobody() -> None:
    player = Player(InMemory((modern("tools/call"), {"outcome": "unanswered"})))
    asked = [modern("tools/call", {"name": "add"}), initialize("2025-11-25")]
    assert play(player.cursor(), *asked) == [("miss", "OTHER_PARAMS"), ("miss", "NO_ENTRY")]


# Misses


def test_an_unknown_method_is_a_miss() -> None:
    player = recorded()
    assert play(player.cursor(), handshake("logging/setLevel", {"level": "debug"})) == [("miss", "NO_ENTRY")]
    assert player.summary() == Summary(played=0, repeated=0, missed=1, unused=5)


def test_other_params_are_a_miss_and_never_something_similar() -> None:
    answer = recorded().cursor().find(*add(3))
    assert isinstance(answer, Miss)
    assert answer.reason is Reason.OTHER_PARAMS
    assert answer.error()["data"]["diff"] == [{"path": "$.arguments.a", "recorded": 1, "live": 3}]


def test_of_equally_near_requests_the_one_not_made_yet_is_shown() -> None:
    cursor = recorded().cursor()
    answer = [cursor.find(*add(1)), cursor.find(*add(3))][-1]
    assert isinstance(answer, Miss)
    assert answer.nearest is not None
    assert answer.nearest.seq == 3


def test_a_miss_reads_no_more_of_a_long_recording_than_needed() -> None:
    recording = InMemory(*((add(number), answers(number)) for number in range(5_000)))
    player = Player(recording)
    before = recording.reads
    player.cursor().find(*add(-1))
    assert recording.reads - before == MOST_CANDIDATES


def test_a_client_that_answers_otherwise_is_counted_as_a_miss() -> None:
    roots = Event(1.0, "server", "roots/list", result={"roots": []})
    player = recorded((add(5), answers("five") | {"events": (roots,)}))
    cursor = player.cursor()
    answer = cursor.find(*add(5))
    assert isinstance(answer, Hit)
    assert cursor.answer_differs(answer.interaction, roots, {"result": {"roots": []}}) is None
    assert player.summary().missed == 0
    assert cursor.answer_differs(answer.interaction, roots, {"result": {"roots": [{"uri": "file:///a"}]}})
    assert player.summary().missed == 1


# What the client can do


def able(capabilities: dict[str, Any]) -> Asked:
    meta = {"io.modelcontextprotocol/clientCapabilities": capabilities}
    return "modern", "tools/call", {"name": "ask", "_meta": meta}


def test_a_client_gets_what_was_recorded_for_one_that_can_do_the_same() -> None:
    with_tasks, without = able({"tasks": {}}), able({})
    player = Player(
        InMemory(
            (with_tasks, answers("task")),
            (without, fails(-32021)),
            (with_tasks, answers("another task")),
        )
    )
    refused = {"code": -32021, "message": "no"}
    assert play(player.cursor(), without, with_tasks, without, with_tasks) == [
        refused,
        "task",
        (refused, "repeat"),
        "another task",
    ]
    assert player.summary().unused == 0


def test_a_client_like_none_that_was_recorded_gets_all_answers_in_order() -> None:
    player = Player(InMemory((able({"a": {}}), answers("a")), (able({"b": {}}), answers("b"))))
    assert play(player.cursor(), able({"c": {}}), able({"c": {}}), able({"b": {}})) == ["a", "b", "b"]


# What is left over


POLL, CANCEL = handshake("tasks/get", {"taskId": "t"}), handshake("tasks/cancel", {"taskId": "t"})
POLLED = (
    (POLL, answers("working")),
    (POLL, answers("nearly")),
    (CANCEL, answers({})),
    (POLL, answers("off")),
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["off", "off"]),
        (["working"], ["off"]),
        (["working", "nearly", "nearly", "nearly"], ["off", "off"]),
    ],
)
def test_a_task_is_answered_by_its_state_however_often_it_is_polled(
    before: list[str], after: list[str]
) -> None:
    player = Player(InMemory(*POLLED))
    cursor = player.cursor()
    assert play(cursor, *[POLL] * len(before)) == before
    cancelled = cursor.find(*CANCEL)
    assert isinstance(cancelled, Hit)
    cursor.answered(cancelled.interaction)
    assert play(cursor, *[POLL] * len(after)) == after
    assert (player.summary().repeated, player.unused()) == (0, [])


def test_a_task_that_was_not_polled_after_it_was_cancelled_holds_its_last_state() -> None:
    cursor = Player(InMemory(*POLLED[:3])).cursor()
    cancelled = cursor.find(*CANCEL)
    assert isinstance(cancelled, Hit)
    cursor.answered(cancelled.interaction)
    assert play(cursor, POLL, POLL) == ["nearly", "nearly"]


def test_a_second_client_sees_a_task_from_its_beginning_and_a_lost_one_as_the_latest_does() -> None:
    """Stateless requests of one client may seem to come from several."""
    made = (add(1), {"result": {"task": {"taskId": "t"}}})
    player = Player(InMemory(made, *POLLED))

    def act(cursor: Cursor, asked: Asked) -> None:
        hit = cursor.find(*asked)
        assert isinstance(hit, Hit)
        cursor.answered(hit.interaction)

    first, second, lost = player.cursor(), player.cursor(), player.cursor()
    act(first, add(1))
    act(first, CANCEL)
    assert play(lost, POLL) == ["off"]
    act(second, add(1))
    assert (play(second, POLL), play(first, POLL)) == (["working"], ["off"])
    assert play(lost, POLL) == ["nearly"]


def test_what_no_client_asked_for_is_unused() -> None:
    player = recorded()
    play(player.cursor(), add(1))
    assert [entry.seq for entry in player.unused()] == [0, 1, 3, 4]
    play(player.cursor(), initialize("2025-11-25"), add(2))
    assert [entry.seq for entry in player.unused()] == [1, 4]


def test_of_what_repeats_for_ever_one_answer_stands_for_all() -> None:
    player = recorded((initialize("2025-11-25"), answers("hello again")))
    play(player.cursor(), initialize("2025-11-25"))
    assert [entry.seq for entry in player.unused()] == [1, 2, 3, 4]


def test_what_several_recorded_sessions_asked_alike_is_used_by_one_live_session() -> None:
    second, third = ({**answers(name), "session": number} for name, number in (("b", 2), ("c", 3)))
    player = Player(InMemory((add(1), answers("a")), (add(1), second), (add(1), third), (add(1), third)))
    for _ in range(5):
        assert play(player.cursor(), add(1)) == ["a"]
    assert [entry.seq for entry in player.unused()] == [3]
    assert play(player.cursor(), add(1), add(1)) == ["a", "b"]
    assert player.unused() == []


def test_the_same_seq_in_two_cassettes_is_not_the_same_request() -> None:
    recording = InMemory((add(1), answers("here")))
    (here,) = recording.entries
    there = Entry(here.seq, 2, here.era, here.method, key_of(*add(2)), here.offsets, file=1)
    recording.entries.append(there)
    player = Player(recording)
    play(player.cursor(), add(1))
    assert player.unused() == [there]


@pytest.mark.parametrize("repeated", [0, 1])
def test_the_summary_is_one_sentence(repeated: int) -> None:
    summary = Summary(played=7, repeated=repeated, missed=0, unused=2)
    assert summary.sentence() == f"played 7, repeated {repeated}, missed 0, unused 2"


def test_a_notification_of_the_client_lets_the_server_say_what_it_said_after_it_once() -> None:
    recording = InMemory((add(1), answers(1)))
    initialized = key_of("handshake", "notifications/initialized", None)
    heard = MessageEntry(1, 0.4, 8, source="client", key=initialized)
    said = MessageEntry(1, 0.5, 9)
    builder = TimelineBuilder[Entry, MessageEntry]()
    builder.add_message(heard, Message(1, 0.4, "client", "notifications/initialized"))
    builder.add_message(said, Message(1, 0.5, "server", "notifications/message"))
    recording.said[initialized] = [heard]
    recording.timelines[1] = timeline = builder.built()
    assert timeline is not None
    cursor = Player(recording).cursor()

    cursor.notified("handshake", "notifications/unheard", None)
    assert cursor.announcer.next() is None
    cursor.notified("handshake", "notifications/initialized", None)
    assert cursor.announcer.next() is timeline.placed[0]
    cursor.notified("handshake", "notifications/initialized", None)
    assert cursor.announcer.next() is None
