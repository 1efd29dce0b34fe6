from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcptap.cassette import format as lines
from mcptap.cassette.examination import Finding, SeqSet, examine
from mcptap.cassette.framing import framing_of
from mcptap.cassette.reader import open_cassette
from mcptap.cassette.salvage import salvage
from mcptap.codec import dumps
from mcptap.errors import CassetteError
from mcptap.model import Gap, Interaction
from tests.cassette import samples

SUFFIXES = [".jsonl", ".jsonl.zst"]


def write(path: Path, *texts: bytes | lines.Line) -> Path:
    """A cassette of the header and these lines; bytes stand in it as they are."""
    framing = framing_of(path)
    first = framing.encode(dumps(lines.header_line(samples.HEADER)))
    encoded = (text if isinstance(text, bytes) else framing.encode(dumps(text)) for text in texts)
    path.write_bytes(first + b"".join(encoded))
    return path


def call(seq: int, **changes: object) -> lines.Line:
    return lines.interaction_line(samples.call(seq)) | changes


def found(path: Path) -> list[tuple[int | None, str]]:
    return [(finding.line, finding.kind) for finding in examine(path).findings]


OPENED = lines.session_line(samples.SESSION)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_sound_cassette_has_no_findings(tmp_path: Path, suffix: str) -> None:
    split = [lines.begin_line(samples.SPLIT), lines.end_line(samples.SPLIT)]
    path = write(tmp_path / f"rec{suffix}", OPENED, call(1), *split, call(5), call(4))

    examination = examine(path)

    assert examination.findings == []
    assert (examination.interactions, examination.sessions) == (4, 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_torn_end_is_no_damage_in_the_middle(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"rec{suffix}", OPENED, call(1), call(2))
    os.truncate(path, path.stat().st_size - 5)

    assert found(path) == [(4, "torn")]


def test_every_damaged_line_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "rec.jsonl", OPENED, b"\x00\x01\n", call(1), b'{"kind":\n', b"[]\n", call(2))

    assert found(path) == [(3, "damaged"), (5, "damaged"), (6, "damaged")]


def test_a_damaged_frame_does_not_take_the_frames_behind_it_along(tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl.zst"
    frame = framing_of(path).encode(dumps(call(1)))
    write(path, OPENED, frame[:10] + b"\xff\xff" + frame[12:], call(2), frame[:-9], call(3))

    assert found(path) == [(3, "damaged"), (5, "damaged")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (call(1, at=-1), "$.at"),
        (call(1, outcome="cancelled"), "not exactly one"),
        (call(1, method=None), "method"),
        (OPENED | {"era": "stone"}, "stone"),
    ],
)
def test_a_line_against_the_schema_is_found_with_its_place(
    tmp_path: Path, line: lines.Line, why: str
) -> None:
    path = write(tmp_path / "rec.jsonl", OPENED, line)

    findings = examine(path).findings

    assert {finding.line for finding in findings} == {3}
    assert why in " ".join(finding.text for finding in findings)


def test_lines_that_git_has_merged_from_two_recordings_are_found(tmp_path: Path) -> None:
    path = write(tmp_path / "rec.jsonl", OPENED, call(1), call(2), call(2, at=9.0), call(3))

    assert Finding(5, "order", "seq 2 was there before") in examine(path).findings


def test_lines_out_of_order_are_found(tmp_path: Path) -> None:
    path = write(tmp_path / "rec.jsonl", call(1), OPENED, call(20), call(2))
    assert found(path) == [(2, "order"), (5, "order")]

    path = write(tmp_path / "rec.jsonl", OPENED, call(2, at=1.0), call(1, at=5.0))
    assert found(path) == [(4, "order")]

    path = write(tmp_path / "rec.jsonl", OPENED, lines.end_line(samples.call(1)))
    assert found(path) == [(3, "order")]


def test_what_a_gap_explains_is_no_problem(tmp_path: Path) -> None:
    gap = lines.gap_line(Gap(0.0, 2, "No space left on device"))
    path = write(tmp_path / "rec.jsonl", gap, lines.end_line(samples.call(1)), call(2))

    examination = examine(path)

    assert examination.problems == []
    assert found(path) == [(2, "gap")]


def test_a_request_without_its_end_is_worth_knowing(tmp_path: Path) -> None:
    path = write(tmp_path / "rec.jsonl", OPENED, lines.begin_line(samples.call(1)))

    assert found(path) == [(None, "unanswered")]
    assert examine(path).problems == []


@pytest.mark.parametrize("text", [b"", b"{}\n", b"no cassette\n", b'{"mcptap":"cassette","version":9}\n'])
def test_what_is_no_cassette_is_not_examined(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "rec.jsonl"
    path.write_bytes(text)

    with pytest.raises(CassetteError):
        examine(path)


@given(st.lists(st.integers(0, 30)))
def test_a_set_of_seqs_is_a_set(seqs: list[int]) -> None:
    noted, plain = SeqSet(), set[int]()
    for seq in seqs:
        assert noted.add(seq) == (seq not in plain)
        plain.add(seq)
        assert all((each in noted) == (each in plain) for each in range(32))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_salvage_saves_every_line_that_can_be_read_and_keeps_the_damaged_cassette(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"rec{suffix}"
    damaged = framing_of(path).encode(dumps(call(7)))[:-8] + b"\n"
    write(path, OPENED, call(1), damaged, call(2), call(2, at=0.6), call(3))
    before = path.read_bytes()

    done = salvage(path)

    records = list(open_cassette(path).records())
    assert [one.seq for one in records if isinstance(one, Interaction)] == [1, 2, 4, 3]
    assert [one.lost for one in records if isinstance(one, Gap)] == [1]
    assert (done.kept, done.lost, done.renumbered) == (5, 1, 1)
    assert done.original.read_bytes() == before
    assert open_cassette(path).header == samples.HEADER
    assert examine(path).problems == []


def test_salvage_makes_a_header_where_it_is_damaged(tmp_path: Path) -> None:
    path = write(tmp_path / "rec.jsonl", OPENED, call(1))
    path.write_bytes(b"}" + path.read_bytes())

    salvage(path)

    assert [one.seq for one in open_cassette(path).interactions()] == [1]


def test_salvage_overwrites_no_earlier_original(tmp_path: Path) -> None:
    path = write(tmp_path / "rec.jsonl", OPENED, b"}\n")
    before = path.read_bytes()
    (tmp_path / "rec.jsonl.damaged").write_text("an earlier one")

    with pytest.raises(CassetteError, match="is there already"):
        salvage(path)

    assert path.read_bytes() == before
    assert not (tmp_path / "rec.jsonl.partial").exists()


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 2_000), garbage=st.binary(max_size=20))
def test_whatever_is_damaged_what_was_salvaged_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes
) -> None:
    path = samples.write(tmp_path_factory.mktemp("damage") / "rec.jsonl")
    sound = path.read_bytes()
    place = cut % len(sound)
    path.write_bytes(sound[:place] + garbage + sound[place + len(garbage) :])

    salvage(path)

    saved = list(open_cassette(path).interactions())
    hit = sound[:place].count(b"\n") + 1
    untouched = sound[: sound.rfind(b"\n", 0, place) + 1]
    assert len(saved) >= untouched.count(b'"kind":"interaction"')
    assert hit >= 1
