"""Recordings as tables: what was recorded is what the views say, whatever has happened to the files."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mcptap import open_cassette
from mcptap.analysis import Recordings, load
from mcptap.analysis.columns import NAMES
from mcptap.analysis.loading import DEFAULT_COLUMNS
from mcptap.cassette import format as lines
from mcptap.errors import CassetteError, UsageError
from mcptap.model import Interaction, SessionStart
from mcptap.protocol import outcome_of, target_of
from tests.cassette.samples import SAMPLE, call, interactions, write

RECORDINGS = Path(__file__).parents[2] / "recordings"


def rows(recordings: Recordings, view: str = "interactions") -> list[dict[str, Any]]:
    relation = recordings.view(view)
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def by_seq(recordings: Recordings) -> dict[int, dict[str, Any]]:
    return {row["seq"]: row for row in rows(recordings)}


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_interaction_is_a_row_that_says_what_the_cassette_says(path: Path) -> None:
    found = by_seq(load(path, columns=NAMES))
    cassette = open_cassette(path)
    eras = {session.session: session for session in cassette.sessions()}
    recorded = list(cassette.interactions())
    assert len(found) == len(recorded)
    for each in recorded:
        row = found[each.seq]
        assert (row["method"], row["session"], row["at"]) == (each.method, each.session, each.at)
        assert (row["ms"], row["proxy_ms"], row["events"]) == (each.ms, each.proxy_ms, len(each.events))
        assert row["target"] == target_of(each.method, each.params)
        assert row["outcome"] == outcome_of(each).partition(" -")[0]
        assert (row["era"], row["transport"]) == (eras[each.session].era, eras[each.session].transport)
        answer = each.result if each.result is not None else each.error
        assert row["bytes"] == len(json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode())
        for body in ("params", "result", "error"):
            assert (None if row[body] is None else json.loads(row[body])) == getattr(each, body)
        assert row["server"] == path.stem


@settings(deadline=None, max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(recorded=st.lists(interactions, max_size=6, unique_by=lambda each: each.seq), data=st.data())
def test_split_interactions_are_joined_like_the_reader_joins_them(
    tmp_path_factory: pytest.TempPathFactory, recorded: list[Interaction], data: st.DataObject
) -> None:
    content = []
    for each in recorded:
        if data.draw(st.booleans()):
            events = [lines.event_line(each.seq, event) for event in each.events]
            content += [lines.begin_line(each), *events, lines.end_line(each)]
        else:
            content.append(lines.interaction_line(each))
    path = write(tmp_path_factory.mktemp("split") / "a.jsonl", content)
    found = by_seq(load(path))
    expected = {each.seq: each for each in open_cassette(path).interactions()}
    assert found.keys() == expected.keys()
    for seq, each in expected.items():
        row = found[seq]
        assert (row["ms"], row["events"], row["at"]) == (each.ms, len(each.events), each.at)
        assert row["outcome"] == outcome_of(each).split(" ")[0] or outcome_of(each) == row["outcome"]


def test_a_request_without_end_is_unanswered_and_keeps_its_events(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [line for line in SAMPLE if line["kind"] != "end"])
    row = by_seq(load(path))[2]
    assert (row["outcome"], row["ms"], row["events"], row["failed"]) == ("unanswered", None, 2, True)


def test_views_hold_what_is_no_interaction(tmp_path: Path) -> None:
    recordings = load(write(tmp_path / "a.jsonl"))
    (session,) = rows(recordings, "sessions")
    assert (session["era"], session["client"]) == ("handshake", "tests")
    assert [
        (row["number"], row["at_ms"], row["method"], row["asked"]) for row in rows(recordings, "events")
    ] == [
        (1, 3.25, "notifications/progress", False),
        (2, 1050.0, "sampling/createMessage", True),
    ]
    (asked,) = rows(recordings, "server_requests")
    assert (asked["seq"], asked["method"], asked["ms"], asked["failed"]) == (
        2,
        "sampling/createMessage",
        12.0,
        False,
    )
    (message,) = rows(recordings, "messages")
    assert (message["source"], message["method"]) == ("server", "notifications/tools/list_changed")
    (gap,) = rows(recordings, "gaps")
    assert (gap["lost"], gap["why"]) == (2, "No space left on device")
    with pytest.raises(UsageError, match="no view 'lines'"):
        recordings.view("lines")


def hop(
    seq: int,
    at: float,
    *,
    state: str | None,
    retry: bool,
    asks: bool,
    tool: str = "book",
    answered: str | None = None,
) -> dict[str, Any]:
    params: dict[str, Any] = {"name": tool, "arguments": {"to": "Oslo"}}
    if retry:
        params["inputResponses"] = {"q": {"action": "accept"}}
        if answered:
            params["requestState"] = answered
    result: dict[str, Any] = (
        {"resultType": "input_required", "inputRequests": {}} if asks else {"content": []}
    )
    if asks and state:
        result["requestState"] = state
    return lines.interaction_line(Interaction(seq, 1, at, "tools/call", params, 10.0, 1.0, result))


@pytest.mark.parametrize("stateful", [True, False])
def test_the_hops_of_a_multi_round_trip_request_are_one_chain(tmp_path: Path, *, stateful: bool) -> None:
    a, b, c = ("A", "B", "C") if stateful else (None, None, None)
    content = [
        hop(1, 1.0, state=a, retry=False, asks=True),
        hop(2, 1.5, state=c, retry=False, asks=True, tool="other"),
        hop(3, 2.0, state=b, retry=True, asks=True, answered=a),
        hop(4, 3.0, state=None, retry=True, asks=False, answered=b),
        hop(5, 4.0, state=None, retry=False, asks=False),
    ]
    chains = {row["seq"]: row for row in rows(load(write(tmp_path / "a.jsonl", content)), "chains")}
    assert {
        seq: ([each["seq"] for each in row["each_hop"]], row["outcome"]) for seq, row in chains.items()
    } == {
        1: ([1, 3, 4], "ok"),
        2: ([2], "input_required"),
    }
    assert chains[1]["ms"] == 30.0
    assert chains[1]["client_ms"] == pytest.approx(2000 - 22)
    assert [each["waited_ms"] for each in chains[1]["each_hop"]] == [
        None,
        pytest.approx(989),
        pytest.approx(989),
    ]


def gzipped(path: Path) -> Path:
    target = path.with_suffix(".jsonl.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def zstd_by_line(path: Path) -> Path:
    target = path.with_suffix(".jsonl.zst")
    each = zstandard.ZstdCompressor(write_checksum=True)
    target.write_bytes(b"".join(map(each.compress, path.read_bytes().splitlines(keepends=True))))
    return target


def zstd_whole(path: Path) -> Path:
    target = path.with_suffix(".jsonl.zst")
    target.write_bytes(zstandard.compress(path.read_bytes()))
    return target


@pytest.mark.parametrize("compress", [gzipped, zstd_by_line, zstd_whole])
def test_compressed_recordings_say_the_same(tmp_path: Path, compress: Callable[[Path], Path]) -> None:
    plain = write(tmp_path / "a.jsonl")
    compressed = compress(plain)
    expected = [replace_file(row) for row in rows(load(plain))]
    assert sorted(map(str, (replace_file(row) for row in rows(load(compressed))))) == sorted(
        map(str, expected)
    )


def replace_file(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"file": ""}


@pytest.mark.parametrize("compress", [lambda path: path, gzipped, zstd_by_line, zstd_whole])
def test_a_damaged_line_is_counted_and_named_and_the_rest_is_there(
    tmp_path: Path, compress: Callable[[Path], Path]
) -> None:
    path = write(tmp_path / "a.jsonl")
    content = path.read_bytes().splitlines(keepends=True)
    content[4:4] = [b"rubbish\n", b'{"kind":"interaction","seq":"x"}\n', b"[1]\n"]
    path.write_bytes(b"".join(content))
    path = compress(path)
    recordings = load(path)
    assert set(by_seq(recordings)) == {1, 2, 3}
    (damage,) = recordings.damage
    assert (damage.path, damage.lines, damage.torn) == (path, (5, 6, 7), False)
    assert f"{path}, lines 5, 6, 7; of the first: it is not a JSON object" in str(damage)


@pytest.mark.parametrize("end", [b'{"kind":"inter', b"\0" * 50, b'{"kind":"gap","at":1,"lost":1,"why":"x"}'])
def test_a_torn_last_line_takes_nothing_else_with_it(tmp_path: Path, end: bytes) -> None:
    path = write(tmp_path / "a.jsonl")
    path.write_bytes(path.read_bytes() + end)
    recordings = load(path)
    assert set(by_seq(recordings)) == {1, 2, 3}
    assert [damage.torn for damage in recordings.damage] == ([True] if end[-1:] != b"}" else [])


def test_lone_surrogates_and_large_bodies_are_no_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [])
    start = '{"kind":"interaction","session":1,"at":0,"method":"x"'
    odd = start + ',"seq":1,"ms":2,"result":{"s":"\\ud800 \\\\ud800"}}\n'
    large = '{"kind":"interaction","seq":2,"session":1,"at":0,"ms":3,"method":"x","result":{"s":"%s"}}\n' % (
        "y" * (40 << 20)
    )
    path.write_text(path.read_text() + odd + large)
    recordings = load(path, columns=["seq", "ms"])
    assert sorted(recordings.interactions.fetchall()) == [(1, 2.0), (2, 3.0)]
    assert recordings.damage == []


ODD = '{"kind":"interaction","seq":9,"session":1,"at":0.5,"ms":7,"method":"tools/call",%s,"result":{}}\n'


@pytest.mark.parametrize(
    "members",
    [
        '"ms":7,"params":{"name":"x"}',
        '"params":{"name":"y","name":"x"}',
        '"params":{"name":"x","requestState":"a","requestState":"b"}',
        '"params":{"name":"x"},"events":[{"at_ms":1,"at_ms":2,"from":"server","method":"n"}]',
        '"params":{"name":"x"},"lost":"no business of a request","at_ms":"x"',
    ],
)
@pytest.mark.parametrize("columns", [DEFAULT_COLUMNS, ("tool", "ms", "client", "seq")])
def test_what_the_reader_of_cassettes_reads_is_read(
    tmp_path: Path, members: str, columns: tuple[str, ...]
) -> None:
    path = write(tmp_path / "a.jsonl")
    unknown = '{"kind":"of a later mcptap","seq":"x","at":[]}\n'
    path.write_text(path.read_text() + unknown + ODD % members)
    recordings = load([path, write(tmp_path / "b.jsonl")], columns=columns)
    assert recordings.damage == []
    row = by_seq(recordings)[9]
    assert (row["tool"], row["ms"], row["client"]) == ("x", 7, "tests")


@pytest.mark.parametrize(
    "line",
    [
        '{"kind":"event","seq":77,"at_ms":"x","from":"server","method":"x"}',
        '{"kind":"session","session":1,"at":0,"seq":"x"}',
        '{"kind":"gap","at":1,"lost":1e30,"why":"x"}',
        '{"kind":"gap","at":1,"lost":1%s,"why":"x"}' % ("0" * 30),
    ],
)
def test_what_can_t_be_read_of_a_line_is_damage_and_ends_nothing(tmp_path: Path, line: str) -> None:
    path = write(tmp_path / "a.jsonl")
    path.write_text(path.read_text() + line + "\n")
    recordings = load([path, write(tmp_path / "b.jsonl")])
    assert [damage.lines for damage in recordings.damage] == [(11,)]
    assert len(rows(recordings)) == 6


@pytest.mark.parametrize("at", ["1e18", "1e30", "1e999", "-1e999"])
def test_what_came_when_no_clock_was_has_no_time(tmp_path: Path, at: str) -> None:
    path = write(tmp_path / "a.jsonl")
    odd = [
        '{"kind":"interaction","seq":9,"session":1,"at":%s,"ms":1e999,"method":"x","result":{}}',
        '{"kind":"message","session":1,"at":%s,"from":"server","method":"x"}',
        '{"kind":"session","session":2,"at":%s,"era":"modern","transport":"stdio"}',
        '{"kind":"gap","at":%s,"lost":1,"why":"x"}',
    ]
    path.write_text(path.read_text() + "".join(f"{line % at}\n" for line in odd))
    recordings = load(path)
    assert recordings.damage == []
    assert [row["seq"] for row in rows(recordings) if row["time"] is None] == [9]
    assert by_seq(recordings)[9]["ms"] is None
    for view in ("messages", "sessions", "gaps"):
        assert [row["time"] for row in rows(recordings, view)].count(None) == 1


def test_an_end_ends_one_request(tmp_path: Path) -> None:
    begin = '{"kind":"begin","seq":9,"session":1,"at":0.5,"method":"x"}\n'
    event = '{"kind":"event","seq":9,"at_ms":1,"from":"server","method":"x"}\n'
    path = write(tmp_path / "a.jsonl")
    path.write_text(path.read_text() + 2 * begin + event + '{"kind":"end","seq":9,"ms":5,"result":{}}\n')
    found = [(row["outcome"], row["events"]) for row in rows(load(path)) if row["seq"] == 9]
    assert sorted(found) == [("ok", 1), ("unanswered", 0)]
    path.write_text(path.read_text() + "rubbish\n")
    (damage,) = load(path).damage
    assert damage.lines == (12, 15)
    assert damage.why == "request 9 has begun already"


@pytest.mark.parametrize("name", ["[a].jsonl", "a*?.jsonl", "it's.jsonl", "server=x/a b.jsonl", "ü東.jsonl"])
def test_a_name_is_a_name_and_no_pattern(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    write(path)
    write(path.with_name("a.jsonl.decoy.jsonl"))
    assert {row["file"] for row in rows(load(path))} == {str(path)}


def test_one_damaged_file_among_many_is_found(tmp_path: Path) -> None:
    for number in range(9):
        write(tmp_path / f"{number}.jsonl")
    path = tmp_path / "5.jsonl"
    path.write_bytes(path.read_bytes() + b"rubbish\n")
    recordings = load(tmp_path)
    assert len(rows(recordings)) == 27
    assert [(damage.path, damage.lines) for damage in recordings.damage] == [(path, (11,))]


def test_folders_are_searched_and_what_is_no_cassette_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    a = write(tmp_path / "a.jsonl")
    write(tmp_path / "deep" / "er" / "b.jsonl.zst")
    (tmp_path / "other.jsonl").write_text('{"some":"thing"}\n')
    (tmp_path / "empty.jsonl").touch()
    recordings = load([tmp_path, a])
    assert len(recordings.sources) == 2
    assert len(rows(recordings)) == 6
    assert len(recordings.passed_over) == 2


def test_an_empty_cassette_has_no_interactions(tmp_path: Path) -> None:
    assert rows(load(write(tmp_path / "a.jsonl", []))) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.jsonl", None, "does not exist"),
        ("empty.jsonl", b"", "is empty"),
        ("other.jsonl", b'{"a":1}\n', "is not a cassette"),
        ("torn.jsonl.gz", b"\x1f\x8b", "can't be"),
        ("no.jsonl.gz", b"abc", "can't be read"),
        ("no.jsonl.zst", b"abc", "not a cassette|can't be"),
        ("folder", None, "does not exist"),
    ],
)
def test_what_is_no_cassette_is_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CassetteError, match=message):
        load(tmp_path / name)


def test_a_folder_without_cassettes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="there are no cassettes"):
        load(tmp_path)


def test_runs_of_one_cassette_are_sessions_of_their_own(tmp_path: Path) -> None:
    second = SessionStart(2, 9.0, "modern", "http", None, "2026-11-23T00:00:00Z")
    content = [
        *SAMPLE,
        lines.session_line(second),
        lines.interaction_line(replace(call(9), session=2, at=9.5)),
    ]
    found = by_seq(load(write(tmp_path / "a.jsonl", content)))
    assert (found[9]["era"], found[9]["client"], found[1]["era"]) == ("modern", None, "handshake")
    assert str(found[9]["time"]) == "2026-11-22 20:00:09.500000"


CONDITIONS_REFUSED = (
    "1=1) UNION (SELECT 1",
    "ms >",
    "",
    "nowhere = 1",
    "count(*) > 1",
    "1; DROP TABLE files",
    "(SELECT count(*) FROM read_csv('/etc/passwd')) > 0",
    "(SELECT count(*) FROM read_text('/etc/passwd')) > 0",
    "EXISTS (FROM '/etc/passwd')",
    "method",
    "ms > 1, ms > 2",
)


@pytest.mark.parametrize("condition", CONDITIONS_REFUSED)
def test_a_condition_is_one_and_reaches_nothing_else(tmp_path: Path, condition: str) -> None:
    recordings = load(write(tmp_path / "a.jsonl"), columns=NAMES)
    with pytest.raises(UsageError) as caught:
        recordings.where(condition)
    assert "\n" not in str(caught.value)


def test_a_condition_may_look_into_bodies(tmp_path: Path) -> None:
    recordings = load(write(tmp_path / "a.jsonl"), columns=NAMES)
    chosen = recordings.where("result->>'$.content[0].text' = 'one' AND params->>'$.name' = 'now'")
    assert [row[chosen.columns.index("seq")] for row in chosen.fetchall()] == [3]


def test_data_frames_and_arrow() -> None:
    recordings = load(RECORDINGS)
    assert len(recordings.df()) == recordings.arrow().num_rows == 23
    assert recordings.filter("tool = 'echo'").fetchall()
    assert list(recordings.df().columns) == list(recordings.columns)


def test_a_connection_of_ones_own_keeps_its_settings(tmp_path: Path) -> None:
    connection = duckdb.connect(config={"threads": 1, "memory_limit": "123MB"})
    load(write(tmp_path / "a.jsonl"), connection=connection)
    (threads, memory) = connection.execute(
        "SELECT current_setting('threads'), current_setting('memory_limit')"
    ).fetchall()[0]
    assert (threads, memory) == (1, "117.3 MiB")


def test_importing_it_imports_no_fastmcp() -> None:
    program = (
        "import sys, mcptap.analysis;"
        "print([name for name in ('fastmcp', 'mcp', 'pandas', 'altair') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert run.stdout.strip() == "[]"
