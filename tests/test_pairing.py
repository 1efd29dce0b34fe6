"""Two cassettes side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcptap.cassette.format import header_line, interaction_line, session_line
from mcptap.cassette.reader import Cassette, open_cassette
from mcptap.codec import dumps
from mcptap.comparing.values import Ignored
from mcptap.model import CassetteHeader, Era, Event, Interaction, SessionStart
from mcptap.pairing import Pair, Pairing
from mcptap.redaction.header import redacted_header
from mcptap.redaction.lines import LineRedactor
from mcptap.redaction.redactor import Redactor
from mcptap.redaction.rules import BUILT_IN

RECORDINGS = sorted((Path(__file__).parents[1] / "recordings").glob("*.jsonl"))
HEADER = CassetteHeader("1", "2026-11-22T20:00:00.000Z", "mcptap")


def cassette(path: Path, *records: Interaction, eras: Sequence[Era] = ("handshake", "handshake")) -> Cassette:
    sessions = [SessionStart(number, 0.0, era, "http", None) for number, era in enumerate(eras, 1)]
    lines = [header_line(HEADER), *map(session_line, sessions), *map(interaction_line, records)]
    path.write_bytes(b"".join(dumps(line) + b"\n" for line in lines))
    return open_cassette(path)


def call(seq: int, params: Any, result: Any = None, *, session: int = 1, **more: Any) -> Interaction:
    if result is None and not more.keys() & {"error", "outcome"}:
        result = {}
    return Interaction(
        seq, session, seq / 10, more.pop("method", "tools/call"), params, result=result, **more
    )


def compared(first: Cassette, second: Cassette, *ignored: str) -> list[Pair]:
    return list(Pairing(first, second, Ignored(ignored)).pairs())


def changes(pairs: list[Pair]) -> list[tuple[str, int, int | None]]:
    return [(pair.change, pair.verdict.seq, pair.other_seq) for pair in pairs]


def paths(pair: Pair) -> list[tuple[str, str]]:
    return [(finding.text, finding.path) for finding in pair.verdict.findings]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_cassette_is_the_same_as_itself(path: Path) -> None:
    pairs = compared(open_cassette(path), open_cassette(path))
    assert {pair.change for pair in pairs} == {"same"}
    assert all(pair.verdict.seq == pair.other_seq for pair in pairs)


def test_requests_are_paired_by_what_they_ask_for_and_the_rest_by_what_is_nearest(tmp_path: Path) -> None:
    first = cassette(
        tmp_path / "a.jsonl",
        call(1, {"name": "a", "arguments": {"x": 1}}, {"content": [1]}),
        call(2, {"name": "b"}),
        call(3, {"name": "c", "arguments": {"long": "x" * 50, "n": 1}}),
        call(4, {"name": "gone"}),
    )
    second = cassette(
        tmp_path / "b.jsonl",
        call(1, {"name": "c", "arguments": {"long": "x" * 50, "n": 2}}),
        call(2, {"name": "new"}),
        call(3, {"name": "b"}),
        call(4, {"arguments": {"x": 1.0}, "name": "a", "_meta": {"progressToken": 7}}, {"content": [2]}),
    )
    pairs = compared(first, second)
    assert changes(pairs) == [
        ("changed", 1, 4),
        ("same", 2, 3),
        ("changed", 3, 1),
        ("removed", 4, None),
        ("added", 2, None),
    ]
    assert paths(pairs[0]) == [("the result", "$.content[0]")]
    assert paths(pairs[2]) == [("the params", "$.arguments.n")]
    assert [pair.change for pair in compared(first, second, "$.content", "$..n")] == [
        *["same"] * 3, "removed", "added"
    ]  # fmt: skip


def test_sessions_are_paired_by_their_order_and_their_era(tmp_path: Path) -> None:
    first = cassette(tmp_path / "a.jsonl", call(1, {"name": "a"}), call(2, {"name": "b"}, session=2))
    other = cassette(
        tmp_path / "b.jsonl",
        call(1, {"name": "b"}),
        call(2, {"name": "a"}, session=2),
        eras=("modern", "handshake"),
    )
    assert [pair.change for pair in compared(first, other)] == ["same", "same"]
    alone = cassette(tmp_path / "c.jsonl", call(1, {"name": "a"}))
    assert changes(compared(first, alone)) == [("same", 1, 1), ("removed", 2, None)]
    assert changes(compared(alone, first)) == [("same", 1, 1), ("added", 2, None)]


def test_listings_are_compared_whatever_their_pages(tmp_path: Path) -> None:
    def page(seq: int, names: str, params: Any = None, following: str | None = None) -> Interaction:
        more = {"nextCursor": following} if following else {}
        return call(seq, params, {"tools": [{"name": name} for name in names], **more}, method="tools/list")

    whole = cassette(tmp_path / "a.jsonl", page(1, "abc"))
    paged = cassette(tmp_path / "b.jsonl", page(1, "a", None, "x"), page(2, "cb", {"cursor": "x"}))
    assert changes(compared(whole, paged)) == [("same", 1, 1)]
    assert changes(compared(paged, whole)) == [("same", 1, 1)]
    begun = cassette(tmp_path / "c.jsonl", page(1, "a", None, "x"))
    assert changes(compared(whole, begun)) == [("same", 1, 1)]
    assert changes(compared(begun, whole)) == [("same", 1, 1)]


def test_what_the_servers_made_up_is_no_difference(tmp_path: Path) -> None:
    made = []
    for name, state in (("a", "s1"), ("b", "s2")):
        first = call(1, {"name": "x"}, {"resultType": "input_required", "requestState": state})
        made.append(
            cassette(tmp_path / f"{name}.jsonl", first, call(2, {"name": "x", "requestState": state}))
        )
    assert {pair.change for pair in compared(made[0], made[1])} == {"same"}


def test_how_requests_ended_and_what_was_asked_in_them_counts(tmp_path: Path) -> None:
    asked = Event(0.0, "server", "elicitation/create", {"message": "a"}, {"action": "accept"}, ms=1.0)
    refused = Event(0.0, "server", "elicitation/create", {"message": "b"}, {"action": "decline"}, ms=1.0)
    first = cassette(tmp_path / "a.jsonl", call(1, {"name": "x"}, events=(asked,)), call(2, {"name": "y"}))
    second = cassette(
        tmp_path / "b.jsonl",
        call(1, {"name": "x"}, events=(refused, asked)),
        call(2, {"name": "y"}, outcome="cancelled"),
    )
    questions, ends = compared(first, second)
    assert paths(questions) == [
        ("what elicitation/create asks", "$.message"),
        ("the client's answer to elicitation/create", "$.result.action"),
        ("elicitation/create is newly asked", "$"),
    ]
    assert paths(ends) == [("how it ended", "$")]


def test_a_redacted_cassette_is_the_same_as_the_one_with_the_secrets(tmp_path: Path) -> None:
    params = {"name": "login", "arguments": {"password": "correct-horse"}}
    plain = cassette(tmp_path / "a.jsonl", call(1, params, {"structuredContent": {"api_key": "k3y-k3y-k3y"}}))
    header = redacted_header(HEADER, BUILT_IN)
    lines = LineRedactor(Redactor(header.redaction, header.salt or ""))
    kept = [line for number, _, line in plain.lines() if number > 1]
    texts = [dumps(header_line(header)), *map(lines.text, kept)]
    (tmp_path / "b.jsonl").write_bytes(b"".join(text + b"\n" for text in texts))
    redacted = open_cassette(tmp_path / "b.jsonl")
    assert b"correct-horse" not in redacted.path.read_bytes()
    assert changes(compared(plain, redacted)) == [("same", 1, 1)]
    assert changes(compared(redacted, plain)) == [("same", 1, 1)]


REQUESTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.integers(0, 1), st.integers(1, 2)), max_size=8
)


@settings(max_examples=50)
@given(REQUESTS, REQUESTS)
def test_no_request_is_lost_or_counted_twice(
    tmp_path_factory: pytest.TempPathFactory, first: list[Any], second: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("pairs")
    sides = [
        cassette(
            folder / f"{number}.jsonl",
            *(
                call(seq, {"name": name, "arguments": {"n": n}}, {"r": r}, session=session)
                for seq, (name, n, r, session) in enumerate(each, 1)
            ),
        )
        for number, each in enumerate((first, second))
    ]
    there, back = compared(sides[0], sides[1]), compared(sides[1], sides[0])
    numbers = Counter(pair.change for pair in there)
    assert sorted(pair.verdict.seq for pair in there if pair.change != "added") == list(
        range(1, len(first) + 1)
    )
    assert sorted(
        pair.verdict.seq if pair.change == "added" else pair.other_seq or 0
        for pair in there
        if pair.change != "removed"
    ) == list(range(1, len(second) + 1))
    turned = Counter(pair.change for pair in back)
    assert (numbers["added"], numbers["removed"]) == (turned["removed"], turned["added"])
