"""A redacted recording replays: the laws of redaction, seen through the recorder's lines and the player."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcptap import codec
from mcptap.cassette.format import header_line, interaction_line, session_line
from mcptap.cassette.index import CassetteIndex
from mcptap.cassette.reader import open_cassette
from mcptap.matching.canonical import capabilities_of, key_of
from mcptap.matching.miss import Miss
from mcptap.model import CassetteHeader, Event, Interaction, SessionStart
from mcptap.player import Hit, Player
from mcptap.redaction.header import redacted_header, redactor_of, redactors_of
from mcptap.redaction.lines import LineRedactor
from mcptap.redaction.rules import BUILT_IN

HEADER = redacted_header(CassetteHeader("1", "2026-11-22T20:00:00.000Z", "test"), BUILT_IN)
GITHUB = "ghp_" + "a1B2" * 9

words = st.sampled_from([GITHUB, "correcthorse!", "hunter-2-hunter", "weather in Oslo", 'pa"ss\\wörd'])
texts = st.one_of(
    words,
    words.map(lambda word: f"note {word} end"),
    words.map(lambda word: json.dumps({"password": word, "n": 1})),
    st.text(max_size=12),
)
arguments: Any = st.dictionaries(
    st.sampled_from(["password", "text", "api_key", "note"]),
    texts | st.integers() | st.lists(texts),
    max_size=3,
)


def recorded(path: Path, interactions: Sequence[Interaction]) -> Player:
    redactor = redactor_of(HEADER)
    assert redactor is not None
    lines = LineRedactor(redactor)
    session = session_line(SessionStart(1, 0.0, "handshake", "stdio", None))
    texts = [lines.text(line) for line in (session, *map(interaction_line, interactions))]
    path.write_bytes(b"\n".join([codec.dumps(header_line(HEADER)), *texts, b""]))
    cassette = open_cassette(path)
    index = CassetteIndex.of([cassette], key_of, capabilities_of)
    return Player(index, redactors_of([cassette.header]))


def call(seq: int, params: dict[str, Any], **more: Any) -> Interaction:
    more.setdefault("result", {"content": [], "n": seq})
    return Interaction(seq, 1, 0.0, "tools/call", {"name": "x", "arguments": params}, **more)


@given(st.lists(arguments, min_size=1, max_size=5))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_request_of_a_session_is_answered_as_it_was(
    tmp_path: Path, asked: list[dict[str, Any]]
) -> None:
    player = recorded(tmp_path / "rec.jsonl", [call(seq, each) for seq, each in enumerate(asked, 1)])
    for _ in range(2):  # a second client starts from the beginning
        cursor = player.cursor()
        for seq, each in enumerate(asked, 1):
            found = cursor.find("handshake", "tools/call", {"name": "x", "arguments": each})
            assert isinstance(found, Hit)
            assert found.interaction.seq == seq


@given(arguments, arguments)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_request_never_matches(
    tmp_path: Path, asked: dict[str, Any], changed: dict[str, Any]
) -> None:
    player = recorded(tmp_path / "rec.jsonl", [call(1, asked)])
    found = player.cursor().find("handshake", "tools/call", {"name": "x", "arguments": changed})
    assert isinstance(found, Hit) == (asked == changed)


def test_a_secret_that_is_asked_again_after_it_was_named_is_answered_again(tmp_path: Path) -> None:
    """It stands in the first request as it is, as nobody could know then."""
    note, login = {"text": "correcthorse!"}, {"password": "correcthorse!"}
    player = recorded(tmp_path / "rec.jsonl", [call(1, note), call(2, login), call(3, note)])
    cursor = player.cursor()
    found = [
        cursor.find("handshake", "tools/call", {"name": "x", "arguments": each})
        for each in (note, login, note, note)
    ]
    assert [each.interaction.seq for each in found if isinstance(each, Hit)] == [1, 2, 3, 3]


def test_an_answer_is_known_by_its_redacted_form(tmp_path: Path) -> None:
    asked = Event(
        1.0,
        "server",
        "elicitation/create",
        {
            "message": "?",
            "requestedSchema": {"type": "object", "properties": {"password": {"type": "string"}}},
        },
        result={"action": "accept", "content": {"password": "hunter2"}},
    )
    player = recorded(tmp_path / "rec.jsonl", [call(1, {}, events=(asked,))])
    assert "hunter2" not in (tmp_path / "rec.jsonl").read_text()
    cursor = player.cursor()
    found = cursor.find("handshake", "tools/call", {"name": "x", "arguments": {}})
    assert isinstance(found, Hit)
    (event,) = found.interaction.events
    assert event.params == asked.params
    right = {"result": {"action": "accept", "content": {"password": "hunter2"}}}
    wrong = {"result": {"action": "accept", "content": {"password": "hunter3"}}}
    assert cursor.answer_differs(found.interaction, event, right) is None
    miss = cursor.answer_differs(found.interaction, event, wrong)
    assert miss is not None
    assert "hunter" not in miss.text()


def test_a_miss_tells_no_secret(tmp_path: Path) -> None:
    player = recorded(tmp_path / "rec.jsonl", [call(1, {"password": "hunter2", "token": GITHUB})])
    params = {"name": "x", "arguments": {"password": "hunter3", "token": GITHUB[:-1] + "9"}}
    miss = player.cursor().find("handshake", "tools/call", params)
    assert isinstance(miss, Miss)
    told = miss.text() + json.dumps(miss.error(), ensure_ascii=False)
    assert "‹redacted:password:" in told
    assert "hunter" not in told
    assert "ghp_" not in told


@pytest.mark.parametrize("kind", ["interaction", "split"])
def test_what_a_request_names_is_found_in_its_answer_however_it_is_written(kind: str) -> None:
    redactor = redactor_of(HEADER)
    assert redactor is not None
    lines = LineRedactor(redactor)
    request = {
        "seq": 1,
        "session": 1,
        "at": 0.0,
        "method": "tools/call",
        "params": {"arguments": {"password": "correcthorse!"}},
    }
    event = {
        "at_ms": 1.0,
        "from": "server",
        "method": "notifications/message",
        "params": {"data": "correcthorse!"},
    }
    result = {"content": [{"type": "text", "text": "hello correcthorse!"}]}
    if kind == "interaction":
        written = [{"kind": "interaction", **request, "events": [event], "result": result}]
    else:
        written = [
            {"kind": "begin", **request},
            {"kind": "event", "seq": 1, **event},
            {"kind": "end", "seq": 1, "result": result},
        ]
    text = b"".join(map(lines.text, written)).decode()
    assert "correcthorse!" not in text
    assert text.count("‹redacted:password:") == 3


def test_a_line_that_is_nested_too_deeply_is_refused_as_any_such_line_is() -> None:
    redactor = redactor_of(HEADER)
    assert redactor is not None
    deep: Any = GITHUB
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TypeError, match="nested too deeply"):
        LineRedactor(redactor).text({"kind": "interaction", "seq": 1, "session": 1, "params": {"a": deep}})


def test_a_line_as_deep_as_json_may_be_is_redacted() -> None:
    redactor = redactor_of(HEADER)
    assert redactor is not None
    deep: Any = GITHUB
    for _ in range(200):
        deep = [deep]
    line = {"kind": "interaction", "seq": 1, "session": 1, "params": {"a": deep}}
    assert b"ghp_" not in LineRedactor(redactor).text(line)


def test_a_line_without_a_secret_is_the_very_same() -> None:
    redactor = redactor_of(HEADER)
    assert redactor is not None
    line = interaction_line(call(1, {"text": "the token of my appreciation"}))
    assert LineRedactor(redactor).line(line) is line
