"""Cassettes merged into one, and one split by session: nothing is lost, and all is in its order."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client, FastMCP
from hypothesis import given
from hypothesis import strategies as st

import mcptap
from mcptap.cassette import format as lines
from mcptap.cassette.examination import examine
from mcptap.cassette.merging import merge
from mcptap.cassette.normalizing import EPOCH, normalize
from mcptap.cassette.reader import Cassette, open_cassette
from mcptap.cassette.rewriting import rewrite
from mcptap.cassette.splitting import split
from mcptap.codec import dumps
from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader, Event, Gap, Interaction, Message, SessionStart, Target
from tests.cassette.samples import SAMPLE, write

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"
UNKNOWN = {"kind": "of-a-later-mcptap", "anything": 1}
GITHUB = "ghp_" + "a1B2" * 9


def cassette(path: Path, *records: Any, at: str = "2026-11-22T20:00:00.000Z", **header: Any) -> Cassette:
    written = [each if isinstance(each, dict) else _line(each) for each in records]
    start = CassetteHeader(path.stem, at, "mcptap 0.1.0", Target("time", "stdio", ("time",)))
    rewrite(path, replace(start, **header), map(dumps, written))
    return open_cassette(path)


def _line(record: Any) -> dict[str, Any]:
    match record:
        case SessionStart():
            return lines.session_line(record)
        case Interaction():
            return lines.interaction_line(record)
        case Message():
            return lines.message_line(record)
    return lines.gap_line(record)


def opened(session: int, at: float) -> SessionStart:
    return SessionStart(session, at, "handshake", "stdio", {"name": "tests"})


def asked(seq: int, at: float, ms: float = 1.0, *, session: int = 1, what: str = "") -> Interaction:
    params = {"name": what or f"{session}/{seq}"}
    return Interaction(seq, session, at, "tools/call", params, ms, 0.0, {"content": []})


def merged(path: Path, *parts: Cassette, name: str | None = None) -> Cassette:
    made = merge(parts, name=name)
    rewrite(path, made.header, made.texts)
    return open_cassette(path)


def contents(found: Cassette) -> list[dict[str, Any]]:
    return [line for number, _, line in found.lines() if number > 1]


def test_times_count_from_the_earliest_and_sessions_and_requests_are_numbered_anew(tmp_path: Path) -> None:
    later = cassette(
        tmp_path / "b.jsonl", opened(1, 0.5), asked(1, 1.0, what="second"), at="2026-11-22T20:00:10.250Z"
    )
    earlier = cassette(tmp_path / "a.jsonl", opened(4, 0.1), asked(7, 0.2, session=4, what="first"), UNKNOWN)
    found = merged(tmp_path / "c.jsonl", later, earlier)
    assert found.header.recorded_at == earlier.header.recorded_at
    assert [(each.session, each.at) for each in found.sessions()] == [(1, 0.1), (2, 10.75)]
    assert [(each.seq, each.session, each.at, each.params) for each in found.interactions()] == [
        (1, 1, 0.2, {"name": "first"}),
        (2, 2, 11.25, {"name": "second"}),
    ]
    assert UNKNOWN in contents(found)
    assert examine(found.path).findings == []


def test_requests_are_numbered_by_arrival_and_stand_in_the_order_of_their_ends(tmp_path: Path) -> None:
    slow = cassette(
        tmp_path / "a.jsonl", opened(1, 0), asked(2, 1.0, 500, what="b"), asked(1, 0.5, 3000, what="a")
    )
    quick = cassette(tmp_path / "b.jsonl", opened(1, 0.6), asked(1, 0.7, what="c"), Gap(0.8, 2, "full"))
    found = merged(tmp_path / "c.jsonl", slow, quick)
    assert [(each.params or {}).get("name") for each in found.interactions()] == ["c", "b", "a"]
    assert {(each.params or {})["name"]: each.seq for each in found.interactions()} == {
        "a": 1,
        "c": 2,
        "b": 3,
    }
    assert [line["kind"] for line in contents(found)] == ["session", "session", "interaction", "gap"] + [
        "interaction"
    ] * 2


times = st.lists(st.tuples(st.floats(0, 5).map(lambda at: round(at, 6)), st.floats(0, 3000)), max_size=6)


@given(st.lists(times, min_size=1, max_size=4), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_nothing_is_lost_and_each_cassette_keeps_its_own_order(
    recorded: list[list[tuple[float, float]]], begun: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for number, requests in enumerate(recorded):
            arrived = [
                asked(seq, at, round(ms, 3), what=f"{number}/{seq}")
                for seq, (at, ms) in enumerate(sorted(requests), 1)
            ]
            ended = sorted(arrived, key=lambda each: each.at + (each.ms or 0) / 1000)
            path = Path(folder) / f"{number}.jsonl"
            parts.append(cassette(path, opened(1, 0), *ended, at=f"2026-11-22T20:00:0{begun[number]}.000Z"))
        found = merged(Path(folder) / "all.jsonl", *parts)
        assert examine(found.path).findings == []
        interactions = list(found.interactions())
        assert sorted(each.seq for each in interactions) == list(range(1, len(interactions) + 1))
        arrivals = sorted(interactions, key=lambda each: each.seq)
        assert [each.at for each in arrivals] == sorted(each.at for each in interactions)
        for part in parts:
            names = [(each.params or {})["name"] for each in part.interactions()]
            assert [
                name for each in interactions if (name := (each.params or {})["name"]) in set(names)
            ] == names


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_what_was_split_is_itself_again_when_it_is_merged(path: Path, tmp_path: Path) -> None:
    whole = open_cassette(path)
    parts = []
    for part in split(whole):
        target = tmp_path / f"{part.session}.jsonl.zst"
        rewrite(target, part.header, map(dumps, part.lines))
        assert examine(target).findings == []
        parts.append(open_cassette(target))
        assert [each.session for each in parts[-1].sessions()] == [1]
    again = merged(tmp_path / "again.jsonl", *reversed(parts))
    assert len(parts) == len(whole.sessions())
    assert _at_rounded(contents(again)) == _at_rounded(contents(whole))


def _at_rounded(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A header counts in milliseconds, so the first line of all may have moved by less than one."""
    zero = found[0]["at"]
    return [{**line, "at": round(line["at"] - zero, 5)} if "at" in line else line for line in found]


def test_split_interactions_and_gaps_are_whole_in_every_part(tmp_path: Path) -> None:
    other = lines.interaction_line(asked(9, 4.0, session=2))
    whole = open_cassette(write(tmp_path / "a.jsonl", [*SAMPLE, lines.session_line(opened(2, 3.5)), other]))
    first, second = split(whole)
    assert (first.session, first.interactions, second.session, second.interactions) == (1, 3, 2, 1)
    assert [line["kind"] for line in first.lines] == [line["kind"] for line in SAMPLE]
    gap, start, request = second.lines
    assert (gap["kind"], start["at"], request["at"]) == ("gap", 0.0, 0.5)
    assert (request["session"], request["seq"], second.header.recorded_at) == (
        1,
        1,
        "2026-11-22T20:00:03.500Z",
    )
    assert len({whole.header.id, first.header.id, second.header.id}) == 3


def test_cassettes_of_different_servers_are_refused_unless_they_get_one_name(tmp_path: Path) -> None:
    one = cassette(tmp_path / "a.jsonl", opened(1, 0))
    other = cassette(tmp_path / "b.jsonl", opened(1, 0), upstream=Target("git", "stdio", ("git",)))
    with pytest.raises(CassetteError, match=r"2 servers \(git, time\); give --name"):
        merge([one, other])
    found = merged(tmp_path / "c.jsonl", one, other, name="both")
    assert found.header.upstream == Target("both", "stdio", ("time",))


def test_placeholders_of_different_salts_cannot_be_merged_and_others_can(tmp_path: Path) -> None:
    plain = asked(1, 0.5)
    secret = replace(
        plain, params={"name": "x", "arguments": {"password": "‹redacted:password:00112233aabbccdd›"}}
    )
    one = cassette(tmp_path / "a.jsonl", opened(1, 0), secret, redaction=("password",), salt="aa")
    other = cassette(tmp_path / "b.jsonl", opened(1, 0), secret, redaction=("password",), salt="bb")
    with pytest.raises(CassetteError, match="different salts"):
        merge([one, other])
    without = cassette(tmp_path / "b.jsonl", opened(1, 0), plain, redaction=("password",), salt="bb")
    assert merge([without, one]).header.salt == "aa"


def test_all_are_redacted_by_the_rules_of_each(tmp_path: Path) -> None:
    leaky = cassette(tmp_path / "a.jsonl", opened(1, 0), asked(1, 0.5, what=GITHUB))
    safe = cassette(tmp_path / "b.jsonl", opened(1, 0), redaction=("github-token",), salt="aa")
    leaking = replace(asked(1, 0.5), params={"name": "x", "arguments": {"a": GITHUB}})
    leaky = cassette(tmp_path / "a.jsonl", opened(1, 0), leaking)
    found = merged(tmp_path / "c.jsonl", leaky, safe)
    assert (found.header.redaction, found.header.salt) == (("github-token",), "aa")
    assert "ghp_" not in found.path.read_text(encoding="utf-8")
    assert "‹redacted:github-token:" in found.path.read_text(encoding="utf-8")


def test_normalized_cassettes_stay_normalized_and_move_no_other(tmp_path: Path) -> None:
    one = cassette(tmp_path / "a.jsonl", opened(1, 0.5), asked(1, 1.0))
    normal = tmp_path / "b.jsonl"
    cassette(normal, opened(1, 0.5), asked(1, 1.0))
    normalize(normal)
    assert (
        merged(tmp_path / "c.jsonl", open_cassette(normal), one).header.recorded_at == one.header.recorded_at
    )
    both = merged(tmp_path / "d.jsonl", open_cassette(normal), open_cassette(normal))
    assert both.header == replace(open_cassette(normal).header, by=both.header.by)
    assert both.header.recorded_at == EPOCH
    assert [each.seq for each in both.interactions()] == [1, 2]


@pytest.mark.anyio
async def test_a_client_is_answered_by_one_recording_after_the_other(tmp_path: Path) -> None:
    server = FastMCP("counter")
    counts: list[int] = []

    @server.tool
    def count() -> int:
        counts.append(1)
        return len(counts)

    async def counted(target: Any, times: int) -> list[Any]:
        async with Client(target) as client:
            return [(await client.call_tool("count", {})).data for _ in range(times)]

    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    live = [await counted(mcptap.create_tap(server, cassette=path), 2) for path in paths]
    assert live == [[1, 2], [3, 4]]
    found = merged(tmp_path / "c.jsonl", *map(open_cassette, reversed(paths)))
    tap = mcptap.create_tap(found)
    assert [await counted(tap, 4) for _ in paths] == [[1, 2, 3, 4]] * 2


def test_an_event_has_its_place_between_other_cassettes_lines(tmp_path: Path) -> None:
    request = asked(1, 0.2, 3000)
    long = cassette(
        tmp_path / "a.jsonl",
        opened(1, 0),
        lines.begin_line(request),
        lines.event_line(1, Event(1500.0, "server", "notifications/progress", {"progress": 1})),
        lines.end_line(request),
    )
    short = cassette(tmp_path / "b.jsonl", opened(1, 1.0), asked(1, 1.1), asked(2, 2.0))
    found = merged(tmp_path / "c.jsonl", long, short)
    assert [(line["kind"], line.get("seq")) for line in contents(found)] == [
        ("session", None),
        ("begin", 1),
        ("session", None),
        ("interaction", 2),
        ("event", 1),
        ("interaction", 3),
        ("end", 1),
    ]
