"""Whether an answer is still the recorded one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcptap.comparing.issued import Issued
from mcptap.comparing.outcomes import Outcome, notes_of, outcome_findings
from mcptap.comparing.values import Ignored
from mcptap.errors import UsageError
from mcptap.model import Event, Interaction

UUIDS = [f"0000000{number}-0000-4000-8000-000000000000" for number in range(3)]


def recorded(result: Any = None, method: str = "tools/call", **more: Any) -> Interaction:
    return Interaction(1, 1, 0.0, method, None, result=result, **more)


def paths(before: Interaction, live: Outcome, *ignored: str, issued: Issued | None = None) -> list[str]:
    return [each.path for each in outcome_findings(before, live, issued or Issued(), Ignored(ignored))]


def test_values_are_compared_as_json_means_them() -> None:
    assert paths(recorded({"a": 1, "b": [1.50]}), Outcome({"b": [1.5], "a": 1.0})) == []
    assert paths(recorded({"a": 1, "b": 2}), Outcome({"a": True, "c": 2})) == ["$.a", "$.b", "$.c"]


def test_volatile_meta_is_no_difference() -> None:
    before = recorded({"_meta": {"io.modelcontextprotocol/serverInfo": {"version": "1"}, "x": 1}})
    assert paths(before, Outcome({"_meta": {"x": 1}})) == []
    assert paths(before, Outcome({"_meta": {"x": 2}})) == ["$._meta.x"]


def test_what_is_ignored_is_left_out_with_all_below_it_and_nothing_beside_it() -> None:
    before = recorded({"a": {"t": 1, "u": {"t": 2}}, "at": 1})
    live = Outcome({"a": {"t": 3, "u": {"t": 4}}, "at": 2})
    assert paths(before, live, "$..t") == ["$.at"]
    assert paths(before, live, "$.a") == ["$.at"]
    assert paths(before, live, "$.a.u", "$.at") == ["$.a.t"]
    assert paths(before, live, "$") == []


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="no JSONPath"):
        Ignored(["$.["])


def test_text_that_is_json_is_compared_as_such() -> None:
    def text(value: Any, **options: Any) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": json.dumps(value, **options)}]}

    before = recorded(text({"t": 1, "x": 1}))
    assert paths(before, Outcome(text({"x": 1, "t": 2}))) == ["$.content[0].text.t"]
    assert paths(before, Outcome(text({"x": 1, "t": 2})), "$..t") == []
    assert paths(before, Outcome(text({"t": 1, "x": 1}, indent=1))) == ["$.content[0].text"]
    assert paths(before, Outcome({"content": [{"type": "text", "text": "{"}]})) == ["$.content[0].text"]
    assert paths(before, Outcome({"content": None})) == ["$.content"]


def test_a_result_that_became_an_error_breaks() -> None:
    (gone,) = outcome_findings(recorded({}), Outcome(error={"code": 1}), Issued(), Ignored())
    assert gone.severity == "breaking"
    (failed,) = outcome_findings(recorded({}), Outcome(failed="it went away"), Issued(), Ignored())
    assert failed.severity == "breaking"
    (better,) = outcome_findings(recorded(error={"code": 1}), Outcome({}), Issued(), Ignored())
    assert better.severity == "difference"
    assert paths(recorded(error={"code": 1, "message": "a"}), Outcome(error={"code": 1, "message": "b"})) == [
        "$.message"
    ]


def test_what_the_server_issues_is_the_same_where_it_stands_for_the_same() -> None:
    issued = Issued()
    before, live = {"taskId": "t1", "createdAt": "then"}, {"taskId": "t2", "createdAt": "now"}
    issued.learn("tools/call", before, live)
    assert paths(recorded(before), Outcome(live), issued=issued) == []
    assert issued.rebound("tasks/get", {"taskId": "t1"}) == {"taskId": "t2"}
    assert issued.rebound("tools/call", {"arguments": {"taskId": "t1"}}) == {"arguments": {"taskId": "t1"}}
    assert issued.restored("tasks/get", {"taskId": "t2"}) == {"taskId": "t1"}


def test_a_cursor_is_good_for_its_method_alone() -> None:
    issued = Issued()
    issued.learn("tools/list", {"nextCursor": "2"}, {"nextCursor": "b"})
    assert issued.rebound("tools/list", {"cursor": "2"}) == {"cursor": "b"}
    assert issued.rebound("prompts/list", {"cursor": "2"}) == {"cursor": "2"}


def test_what_the_server_has_not_issued_now_is_missing() -> None:
    issued = Issued()
    issued.learn("tools/call", {"requestState": "s"}, {})
    assert issued.missing("tools/call", {"requestState": "s"}) == "requestState"
    assert issued.missing("tools/call", {"requestState": "the client's own idea"}) is None


def test_a_random_uuid_is_told_once_and_asked_with_from_then_on() -> None:
    issued = Issued()
    before, live = {"id": UUIDS[0]}, {"id": UUIDS[1]}
    assert paths(recorded(before), Outcome(live), issued=issued) == ["$.id"]
    issued.learn_uuids(before, live)
    assert paths(recorded(before), Outcome(live), issued=issued) == []
    asked = {"arguments": {"path": f"/things/{UUIDS[0]}"}}
    assert issued.rebound("tools/call", asked) == {"arguments": {"path": f"/things/{UUIDS[1]}"}}


def test_a_uuid_that_the_client_brings_along_stays() -> None:
    issued = Issued()
    issued.said({"arguments": {"id": UUIDS[0]}})
    issued.learn_uuids({"id": UUIDS[0]}, {"id": UUIDS[1]})
    assert issued.rebound("tools/call", {"arguments": {"id": UUIDS[0]}}) == {"arguments": {"id": UUIDS[0]}}


def test_other_notifications_and_another_version_of_the_server_are_worth_a_note() -> None:
    before = recorded(
        {"serverInfo": {"name": "s", "version": "1"}},
        "initialize",
        events=(Event(0.0, "server", "notifications/message"),),
    )
    live = Outcome({"serverInfo": {"name": "s", "version": "2"}})
    assert paths(before, live) == []
    assert list(notes_of(before, live)) == [
        "notifications/message: recorded 1, live 0",
        "serverInfo: recorded s 1, live s 2",
    ]
