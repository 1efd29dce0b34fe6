from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mcptap import codec
from mcptap.cassette import format as lines
from mcptap.cassette.reader import open_cassette
from mcptap.cassette.writer import CassetteWriter
from mcptap.errors import CassetteError
from mcptap.model import Interaction
from tests.cassette import samples


@pytest.fixture(params=["rec.jsonl", "rec.jsonl.zst"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def test_records_are_joined_and_in_the_order_of_their_last_lines(path: Path) -> None:
    cassette = open_cassette(str(samples.write(path)))

    assert (cassette.path, cassette.header, cassette.torn_bytes) == (path, samples.HEADER, 0)
    assert list(cassette.records()) == samples.SAMPLE_RECORDS
    assert list(cassette.records()) == samples.SAMPLE_RECORDS  # as often as one likes
    assert [one.seq for one in cassette.interactions()] == [1, 2, 3]
    assert cassette.sessions() == (samples.SESSION,)


def test_requests_without_an_end_come_last_by_their_seq(path: Path) -> None:
    event = samples.SPLIT.events[0]
    samples.write(
        path,
        [
            lines.begin_line(samples.call(5)),
            lines.begin_line(samples.call(4)),
            lines.event_line(4, event),
            lines.interaction_line(samples.call(6)),
        ],
    )

    found = list(open_cassette(path).interactions())

    assert [(one.seq, one.outcome, one.events) for one in found] == [
        (6, None, ()),
        (4, "unanswered", (event,)),
        (5, "unanswered", ()),
    ]


def test_lines_have_their_numbers_and_the_offsets_that_they_can_be_read_at(path: Path) -> None:
    cassette = open_cassette(samples.write(path))
    found = list(cassette.lines())

    assert [number for number, _, _ in found] == list(range(1, len(samples.SAMPLE) + 2))
    assert [line for _, _, line in found] == [lines.header_line(samples.HEADER), *samples.SAMPLE]
    for joined in cassette.joined():
        assert cassette.record_at(joined.offsets) == joined.record


@settings(samples.unhurried, max_examples=30)
@given(st.lists(samples.interactions, max_size=4))
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, interactions: list[Interaction]
) -> None:
    directory = tmp_path_factory.mktemp("law")
    for name in ("rec.jsonl", "rec.jsonl.zst"):
        path = samples.write(directory / name, map(lines.interaction_line, interactions))
        assert list(open_cassette(path).records()) == interactions


def test_compressed_cassette_is_the_plain_one_compressed(tmp_path: Path) -> None:
    plain = samples.write(tmp_path / "rec.jsonl").read_bytes()
    compressed = samples.write(tmp_path / "rec.jsonl.zst").read_bytes()

    with zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True) as stream:
        assert stream.read() == plain


@pytest.mark.parametrize(
    "content", [[], samples.SAMPLE, samples.SAMPLE * 20_000], ids=["header", "few", "many"]
)
def test_compressed_as_a_whole_says_how_to_read_it(content: list[dict[str, object]], tmp_path: Path) -> None:
    text = b"".join(codec.dumps(line) + b"\n" for line in [lines.header_line(samples.HEADER), *content])
    path = tmp_path / "rec.jsonl.zst"
    path.write_bytes(zstandard.compress(text))
    if not content:
        assert open_cassette(path).header == samples.HEADER
        return

    with pytest.raises(CassetteError, match="not compressed line by line; decompress it with zstd -d"):
        open_cassette(path)


def test_line_endings_of_windows_are_read(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "rec.jsonl")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert list(open_cassette(path).records()) == samples.SAMPLE_RECORDS


def test_line_that_does_not_say_what_it_must_is_damage(path: Path) -> None:
    samples.write(path, [*samples.SAMPLE, {"kind": "gap", "at": 1}, samples.SAMPLE[0]])

    with pytest.raises(CassetteError, match="is damaged in line 11: its 'lost' is missing"):
        list(open_cassette(path).records())


def test_two_cassettes_in_one_file_are_damage(path: Path) -> None:
    samples.write(path, [lines.header_line(samples.HEADER)])

    with pytest.raises(CassetteError, match="is damaged in line 2: its 'kind' is missing"):
        list(open_cassette(path).records())


HEADER_TEXT = codec.dumps(lines.header_line(samples.HEADER))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"hello\nworld\n", "is not a cassette: its first line is not a JSON object"),
        (b"[1]\n", "is not a cassette: its first line is not a JSON object"),
        (b"\xff\xfe\n", "is not a cassette: its first line is not a JSON object"),
        (b"{}\n", 'is not a cassette: its first line has no "mcptap":"cassette"'),
        (b'{"mcptap":"cas', "is not a cassette: its first line is torn"),
        (HEADER_TEXT.replace(b'"version":1', b'"version":2'), "(format 2); upgrade mcptap"),
        (HEADER_TEXT.replace(b'"version":1', b'"version":"1"'), "line 1: its 'version' is not a whole"),
        (HEADER_TEXT.replace(b'"by":', b'"buy":'), "is damaged in line 1: its 'by' is missing"),
    ],
)
def test_what_is_no_cassette_is_told_in_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    path.write_bytes(content)

    with pytest.raises(CassetteError) as caught:
        open_cassette(path)

    assert str(caught.value).startswith(str(path))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_plain_text_by_a_compressed_name_is_no_cassette(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "rec.jsonl").rename(tmp_path / "rec.jsonl.zst")

    with pytest.raises(CassetteError, match="is not a cassette"):
        open_cassette(path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent", "does not exist"),
        ("directory", "is a directory"),
        ("file/rec.jsonl", "can't be read: Not a directory"),
        ("pipe", "is not a regular file"),
    ],
)
def test_what_can_not_be_read_is_told_in_one_line(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(CassetteError) as caught:
        open_cassette(tmp_path / name)

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_reading_sees_the_complete_lines_while_a_writer_appends(path: Path) -> None:
    writer = CassetteWriter.open(path, samples.HEADER, fsync="never")
    cassette = open_cassette(path)
    for seq in range(1, 50):
        writer.append(lines.interaction_line(samples.call(seq)))
        assert [one.seq for one in cassette.interactions()] == list(range(1, seq + 1))
    writer.close()


APPEND = """
import os, sys
from pathlib import Path
from mcptap.cassette import format as lines
from mcptap.cassette.writer import CassetteWriter
from tests.cassette import samples

writer = CassetteWriter.open(Path(sys.argv[1]), samples.HEADER, fsync="never")
print("open", flush=True)
for seq in range(1, 2000):
    writer.append(lines.interaction_line(samples.call(seq, answer=os.urandom(20 * (seq % 100)).hex())))
"""


def test_reading_while_another_process_appends_never_finds_damage(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", APPEND, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "open\n"
        cassette = open_cassette(path)
        seen = 0
        while other.poll() is None:
            found = [one.seq for one in cassette.interactions()]
            assert found == list(range(1, len(found) + 1))
            assert len(found) >= seen
            seen = len(found)
    assert other.returncode == 0
    assert len(list(cassette.interactions())) == 1999


def test_half_a_line_that_is_just_being_written_is_ignored_until_it_is_complete(path: Path) -> None:
    samples.write(path)
    size = path.stat().st_size
    samples.write(path, [lines.gap_line(samples.GAP)])
    line = path.read_bytes()[size:]
    os.truncate(path, size)
    cassette = open_cassette(path)

    with path.open("ab", buffering=0) as writer:
        writer.write(line[:14])
        assert list(cassette.records()) == samples.SAMPLE_RECORDS
        assert cassette.torn_bytes == 14
        writer.write(line[14:])
        assert list(cassette.records()) == [*samples.SAMPLE_RECORDS, samples.GAP]
        assert cassette.torn_bytes == 0


def test_memory_does_not_grow_with_the_file(path: Path) -> None:
    body = os.urandom(50_000).hex()
    samples.write(path, (lines.interaction_line(samples.call(seq, answer=body)) for seq in range(200)))
    cassette = open_cassette(path)

    tracemalloc.start()
    try:
        assert sum(1 for _ in cassette.records()) == 200
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 3_000_000
