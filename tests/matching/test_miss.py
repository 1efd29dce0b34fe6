from __future__ import annotations

from typing import Any

from mcptap.matching.miss import Miss, Reason, answer_differs, not_recorded, out_of_order, used_up
from mcptap.matching.rules import Matching
from mcptap.model import Event, Interaction


def call(seq: int, params: dict[str, Any] | None, *events: Event) -> Interaction:
    result = {"temperature": seq}
    return Interaction(seq, session=1, at=0, method="tools/call", params=params, result=result, events=events)


def weather(city: str) -> dict[str, Any]:
    return {"name": "weather", "arguments": {"city": city}}


def missed_call(live: dict[str, Any], *recorded: dict[str, Any]) -> Miss:
    return not_recorded(
        "handshake",
        "tools/call",
        live,
        candidates=[call(number, params) for number, params in enumerate(recorded, 12)],
        recorded=[("handshake", "initialize"), ("handshake", "tools/call")],
    )


def test_other_params_are_explained_by_the_nearest_request() -> None:
    miss = missed_call(weather("Munich"), weather("Berlin"))
    assert miss.error() == {
        "code": -32004,
        "message": (
            "The cassette has no tools/call of weather with these params; "
            "the nearest, interaction 12, differs in $.arguments.city."
        ),
        "data": {
            "request": {"method": "tools/call", "params": weather("Munich")},
            "reason": "same method but different params",
            "nearest": {
                "seq": 12,
                "method": "tools/call",
                "params": weather("Berlin"),
                "result": {"temperature": 12},
            },
            "diff": [{"path": "$.arguments.city", "recorded": "Berlin", "live": "Munich"}],
            "advice": list(miss.advice),
        },
    }


def test_the_text_says_why_what_differs_what_would_have_come_and_what_to_do() -> None:
    assert missed_call(weather("Munich"), weather("Berlin")).text() == (
        "miss: The cassette has no tools/call of weather with these params; "
        "the nearest, interaction 12, differs in $.arguments.city.\n"
        "  why: same method but different params\n"
        "  nearest recorded request: interaction 12\n"
        "                      recorded  live\n"
        '    $.arguments.city  "Berlin"  "Munich"\n'
        '  it would have been answered with result {"temperature":12}\n'
        "  what to do:\n"
        "    1. If the client should ask as it did in interaction 12, correct the client.\n"
        "    2. If what differs there doesn't matter, ignore it: --ignore '$.arguments.city'\n"
        "    3. Record it: send the request through `mcptap record` into the same cassette, "
        "which appends to it; or replay with --on-miss record and the server."
    )


def test_a_tool_s_name_is_not_offered_to_be_ignored() -> None:
    assert not any("--ignore" in advice for advice in missed_call({"name": "a"}, {"name": "b"}).advice)


def test_what_is_ignored_is_no_difference() -> None:
    miss = not_recorded(
        "handshake",
        "tools/call",
        {"name": "add", "arguments": {"a": 1, "at": 2}},
        candidates=[call(3, {"name": "add", "arguments": {"a": 2, "at": 1}})],
        recorded=[("handshake", "tools/call")],
        matching=Matching(["$.arguments.at"]),
    )
    assert miss.nearest is not None
    assert [field.path for field in miss.nearest.differences] == ["$.arguments.a"]


def test_what_is_used_up_says_how_often_it_was_recorded() -> None:
    miss = used_up("tools/call", weather("Berlin"), call(7, weather("Berlin")), 2)
    assert miss.reason is Reason.USED_UP
    assert "has this tools/call of weather 2 times" in miss.sentence
    assert "--repeats last" in miss.text()
    assert miss.error()["data"]["nearest"]["result"] == {"temperature": 7}


def test_what_is_out_of_order_says_what_is_next() -> None:
    miss = out_of_order("tools/call", weather("Berlin"), call(7, weather("Munich")))
    assert "interaction 7, tools/call of weather, is next" in miss.sentence
    assert "is over here" in out_of_order("tools/call", None, None).sentence


def test_volatile_meta_is_no_difference() -> None:
    recorded = weather("Berlin") | {"_meta": {"progressToken": 1}}
    miss = missed_call(weather("Munich") | {"_meta": {"progressToken": 2}}, recorded)
    assert miss.nearest is not None
    assert [field.path for field in miss.nearest.differences] == ["$.arguments.city"]


def test_many_differences_are_counted_in_the_sentence() -> None:
    many = {"name": "add", "arguments": dict.fromkeys("abcde", 1)}
    miss = missed_call(many, {"name": "add", "arguments": dict.fromkeys("abcde", 2)})
    assert "$.arguments.a, $.arguments.b, $.arguments.c and 2 more" in miss.sentence


def test_an_unknown_method_is_explained_by_the_known_ones() -> None:
    miss = not_recorded(
        "modern",
        "prompts/get",
        None,
        candidates=[],
        recorded=[("modern", "tools/list"), ("modern", "tools/call"), ("handshake", "prompts/get")],
    )
    assert miss.reason is Reason.NO_ENTRY
    assert miss.nearest is None
    assert miss.error()["data"] == {
        "request": {"method": "prompts/get"},
        "reason": "no cassette entry for the method",
        "advice": [
            (
                "Check that this is the cassette of the right server; "
                "in the modern era it has tools/call, tools/list."
            ),
            "Or use a client of the handshake era, for which the cassette has prompts/get.",
            (
                "Record it: send the request through `mcptap record` into the same cassette, "
                "which appends to it; or replay with --on-miss record and the server."
            ),
        ],
    }


def test_an_empty_cassette_says_so() -> None:
    miss = not_recorded("handshake", "tools/list", None, candidates=[], recorded=[])
    assert "in the handshake era it has nothing." in miss.text()


def test_nothing_in_the_text_can_steer_a_terminal() -> None:
    evil = {"name": "\x1b[31mred", "arguments": {"\x1b]0;title\x07": "\x9b2J"}}
    text = missed_call(evil, weather("Berlin")).text()
    assert text.replace("\n", "").isprintable()
    method = not_recorded("handshake", "\x1b[2J\nmiss: all is well", None, candidates=[], recorded=[]).text()
    assert method.replace("\n", "").isprintable()
    assert method.count("miss:") == 2
    assert "\nmiss:" not in method


def test_an_error_stays_small() -> None:
    huge = {"name": "put", "arguments": {"text": "x" * 1_000_000, "rows": [[0] * 1000] * 1000}}
    assert len(str(missed_call(huge, huge | {"name": "get"}).error())) < 50_000


# The client's answers to server requests

ROOTS = Event(5.0, "server", "roots/list", result={"roots": [{"uri": "file:///a"}]}, ms=1.0)


def test_the_recorded_answer_is_no_miss() -> None:
    again = {"result": {"roots": [{"uri": "file:///a"}], "_meta": {"traceparent": "00-…"}}}
    assert answer_differs(call(7, None, ROOTS), ROOTS, again) is None


def test_another_answer_is_a_miss_that_says_so() -> None:
    live = {"result": {"roots": [{"uri": "file:///b"}]}}
    miss = answer_differs(call(7, weather("Berlin"), ROOTS), ROOTS, live)
    assert miss is not None
    error = miss.error()
    assert error["message"].startswith("The client's answer to roots/list differs from the recorded one")
    assert error["data"]["reason"] == "answer to a server request differs"
    assert error["data"]["nearest"]["seq"] == 7
    assert error["data"]["nearest"]["params"] == weather("Berlin")
    assert error["data"]["diff"] == [
        {"path": "$.result.roots[0].uri", "recorded": "file:///a", "live": "file:///b"}
    ]


def test_an_error_in_place_of_a_result_differs() -> None:
    miss = answer_differs(call(7, None, ROOTS), ROOTS, {"error": {"code": -1, "message": "no"}})
    assert miss is not None
    assert miss.nearest is not None
    assert [field.path for field in miss.nearest.differences] == ["$.result", "$.error"]


def test_what_is_ignored_of_an_answer_may_differ() -> None:
    live = {"result": {"roots": [{"uri": "file:///b"}]}}
    assert answer_differs(call(7, None, ROOTS), ROOTS, live, Matching(["$.result.roots[*].uri"])) is None


def test_errors_are_compared_too() -> None:
    refused = Event(5.0, "server", "sampling/createMessage", error={"code": -1, "message": "User said no"})
    interaction = call(7, None, refused)
    assert answer_differs(interaction, refused, {"error": {"code": -1, "message": "User said no"}}) is None
    assert answer_differs(interaction, refused, {"error": {"code": -2, "message": "User said no"}})
