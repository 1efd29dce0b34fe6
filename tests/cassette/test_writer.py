from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mcptap import codec
from mcptap.cassette import format as lines
from mcptap.cassette.reader import open_cassette
from mcptap.cassette.writer import CassetteWriter, Fsync, WriteFailedError
from mcptap.errors import CassetteError, RecordingError
from mcptap.model import CassetteHeader, Json
from tests.cassette import samples

LINE = lines.interaction_line(samples.call(1))
FLUSH = "fdatasync" if hasattr(os, "fdatasync") else "fsync"


@pytest.fixture(params=["rec.jsonl", "rec.jsonl.zst"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def open_writer(path: Path, fsync: Fsync = "never") -> CassetteWriter:
    return CassetteWriter.open(path, samples.HEADER, fsync=fsync)


def rewriter(path: Path, fsync: Fsync = "never") -> CassetteWriter:
    return CassetteWriter.open(path, samples.HEADER, mode="rewrite", fsync=fsync)


def partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def count_calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    calls: list[object] = []
    real: Callable[..., object] = getattr(os, name)

    def counted(*args: object) -> object:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(os, name, counted)
    return calls


def test_new_cassette_has_its_header_at_once_and_is_its_owners_alone(path: Path) -> None:
    writer = open_writer(path)

    assert open_cassette(path).header == samples.HEADER
    assert path.stat().st_mode & 0o777 == 0o600
    assert (writer.path, writer.header, writer.appending, writer.torn) == (path, samples.HEADER, False, None)
    assert (writer.next_seq, writer.next_session, writer.elapsed0) == (1, 1, 0.0)
    writer.close()


def test_plain_cassette_is_lines_of_compact_json(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "rec.jsonl", [LINE])

    assert (
        path.read_bytes()
        == codec.dumps(lines.header_line(samples.HEADER)) + b"\n" + codec.dumps(LINE) + b"\n"
    )


def test_missing_folders_are_made_and_an_empty_file_is_a_new_cassette(path: Path) -> None:
    nested = path.parent / "a" / "b" / path.name
    nested.parent.mkdir(parents=True)
    nested.touch()

    for name in (nested, path.parent / "c" / "d" / path.name):
        samples.write(name)
        assert list(open_cassette(name).records()) == samples.SAMPLE_RECORDS


def test_line_is_one_write_and_its_bytes_are_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_writer(path)
    size = path.stat().st_size
    writes = count_calls(monkeypatch, "write")

    for count in range(1, 4):
        size += writer.append(LINE)
        assert len(writes) == count
        assert path.stat().st_size == size  # nothing waits in a buffer
    monkeypatch.undo()
    writer.close()


def test_line_may_be_any_mapping_and_must_be_json(path: Path) -> None:
    class Line(dict[str, object]):
        pass

    writer = open_writer(path)
    writer.append(Line(LINE))
    size = path.stat().st_size
    with pytest.raises(TypeError):
        writer.append({"kind": object()})
    assert path.stat().st_size == size
    writer.close()


@pytest.mark.parametrize(
    ("fsync", "after_open", "after_append", "after_sync", "after_close"),
    [("always", 1, 2, 2, 2), ("interval", 0, 0, 1, 1), ("never", 0, 0, 1, 1)],
)
def test_fsync_policy_says_when_a_line_is_made_durable(
    fsync: Fsync,
    after_open: int,
    after_append: int,
    after_sync: int,
    after_close: int,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = count_calls(monkeypatch, FLUSH)

    writer = open_writer(path, fsync)
    assert len(calls) == after_open
    writer.append(LINE)
    assert len(calls) == after_append
    for _ in range(2):  # nothing new is nothing to do
        writer.sync()
        assert len(calls) == after_sync
    writer.close()
    assert len(calls) == after_close


@pytest.mark.parametrize(("fsync", "expected"), [("always", 2), ("interval", 1), ("never", 0)])
def test_close_syncs_what_was_not_unless_told_never_to(
    fsync: Fsync, expected: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count_calls(monkeypatch, FLUSH)
    writer = open_writer(path, fsync)
    writer.append(LINE)

    writer.close()
    writer.close()

    assert len(calls) == expected


def test_appending_goes_on_with_numbers_and_time_of_the_file(path: Path) -> None:
    recorded_at = datetime.now(UTC) - timedelta(hours=1)
    header = CassetteHeader("first", recorded_at.isoformat(timespec="milliseconds"), "mcptap 0.0.1")
    first = CassetteWriter.open(path, header)
    for line in [*samples.SAMPLE, lines.begin_line(samples.call(17, session=4))]:
        first.append(line)
    first.close()

    writer = open_writer(path)
    writer.append(lines.gap_line(samples.GAP))
    writer.close()

    assert writer.header == header
    assert writer.appending
    assert (writer.next_seq, writer.next_session) == (18, 5)
    assert 3600 <= writer.elapsed0 < 3700
    assert len(list(open_cassette(path).lines())) == len(samples.SAMPLE) + 3


def test_time_of_an_appended_run_never_goes_back_behind_the_file(path: Path) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="milliseconds")
    CassetteWriter.open(path, CassetteHeader("first", tomorrow, "mcptap")).close()
    writer = open_writer(path)
    assert writer.elapsed0 == 0.0
    writer.append(lines.gap_line(samples.GAP))
    writer.close()

    writer = open_writer(path)
    assert writer.elapsed0 == samples.GAP.at
    writer.close()


@pytest.mark.parametrize("recorded_at", ["yesterday", "2026-11-22T20:00:00"])
def test_header_without_a_time_can_not_be_gone_on_with(recorded_at: str, path: Path) -> None:
    CassetteWriter.open(path, CassetteHeader("first", recorded_at, "mcptap")).close()

    with pytest.raises(CassetteError, match="damaged in line 1: its 'recorded_at'"):
        open_writer(path)


HOLD_THE_LOCK = """
import sys
from pathlib import Path
from mcptap.cassette.writer import CassetteWriter
from tests.cassette.samples import HEADER

writer = CassetteWriter.open(Path(sys.argv[1]), HEADER, mode=sys.argv[2])
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("theirs", ["all", "rewrite"])
def test_cassette_that_another_process_writes_is_locked(theirs: str, path: Path) -> None:
    samples.write(path)
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(path), theirs]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "locked\n"
        for open_mine in (open_writer, rewriter):
            with pytest.raises(CassetteError, match="is locked by another mcptap") as caught:
                open_mine(path)
            assert caught.value.hint
        assert list(open_cassette(path).records()) == samples.SAMPLE_RECORDS  # readers don't care
        other.kill()

    open_writer(path).close()  # the lock ends with the process
    rewriter(path).close()
    assert len(list(open_cassette(path).lines())) == 1


def test_lock_ends_with_close(path: Path) -> None:
    writer = open_writer(path)
    with pytest.raises(CassetteError, match="is locked"):
        open_writer(path)
    writer.close()
    open_writer(path).close()


def test_cassette_that_a_rewrite_replaced_just_before_the_lock_is_opened_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples.write(path, [])
    real_lock = fcntl.flock
    replacement = [samples.write(path.with_name("other-" + path.name))]

    def late(descriptor: int, operation: int) -> None:
        if replacement:
            replacement.pop().replace(path)
        real_lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    writer = open_writer(path)
    writer.append(lines.interaction_line(samples.call(4)))
    writer.close()

    assert list(open_cassette(path).records()) == [*samples.SAMPLE_RECORDS, samples.call(4)]


FILL_THE_DISK = """
import resource, sys
from pathlib import Path
from mcptap.cassette.writer import CassetteWriter, WriteFailedError
from tests.cassette.samples import HEADER

path = Path(sys.argv[1])
writer = CassetteWriter.open(path, HEADER, fsync="always")
writer.append({"kind": "first"})
size = path.stat().st_size
room = int(sys.argv[2])
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, limits[1]))  # python ignores SIGXFSZ
for _ in range(2):
    try:
        writer.append({"kind": "second", "noise": bytes(range(256)).hex()})
    except WriteFailedError as error:
        print(error, path.stat().st_size == size)
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
writer.append({"kind": "third"})
writer.close()
"""


@pytest.mark.parametrize(
    ("room", "reason"),
    [(0, "can't be written: File too large"), (20, "took only 20 of")],
    ids=["none", "some"],
)
def test_half_written_line_is_taken_back_when_the_disk_is_full(room: int, reason: str, path: Path) -> None:
    command = [sys.executable, "-c", FILL_THE_DISK, str(path), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    told = done.stdout.splitlines()
    assert len(told) == 2
    assert all(reason in line and line.endswith("True") for line in told)
    assert [line.get("kind") for _, _, line in open_cassette(path).lines()] == [None, "first", "third"]


def test_line_that_can_not_be_flushed_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_writer(path, "always")
    size = path.stat().st_size

    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, FLUSH, broken)
    with pytest.raises(RecordingError, match="can't be written: Input/output error"):
        writer.append(LINE)
    assert path.stat().st_size == size
    monkeypatch.undo()
    writer.append(LINE)
    writer.close()
    assert list(open_cassette(path).records()) == [samples.call(1)]


def test_failed_sync_is_told_and_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_writer(path)

    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, FLUSH, broken)
        with pytest.raises(WriteFailedError, match="can't be synced: Input/output error"):
            writer.sync()
    calls = count_calls(monkeypatch, FLUSH)
    writer.sync()
    assert len(calls) == 1
    writer.close()


def test_nothing_is_written_behind_a_half_line_that_could_not_be_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_writer(path)
    real_write = os.write

    def refuse(_descriptor: int, _size: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", refuse)
        patched.setattr(os, "write", lambda descriptor, data: real_write(descriptor, data[:7]))
        for _ in range(2):
            with pytest.raises(WriteFailedError, match="can't be cut back"):
                writer.append(LINE)
    writer.append(LINE)
    writer.close()

    assert list(open_cassette(path).records()) == [samples.call(1)]


def test_closed_writer_says_so(path: Path) -> None:
    writer = open_writer(path)
    writer.close()

    with pytest.raises(WriteFailedError, match="is closed"):
        writer.append(LINE)
    with pytest.raises(WriteFailedError, match="is closed"):
        writer.sync()


@pytest.mark.parametrize("fsync", ["always", "interval", "never"])
def test_rewrite_replaces_the_cassette_only_when_it_is_closed(fsync: Fsync, path: Path) -> None:
    samples.write(path)
    before = path.read_bytes()
    writer = rewriter(path, fsync)
    assert (writer.appending, writer.next_seq, writer.elapsed0) == (False, 1, 0.0)
    writer.append(LINE)
    assert path.read_bytes() == before
    assert partial(path).stat().st_mode & 0o777 == 0o600

    writer.close()

    assert list(open_cassette(path).records()) == [samples.call(1)]
    assert not partial(path).exists()


def test_rewrite_makes_a_new_cassette_too_and_replaces_a_damaged_one(path: Path) -> None:
    for _ in range(2):
        rewriter(path).close()
        assert len(list(open_cassette(path).lines())) == 1
        path.write_bytes(b"damaged\n")


def test_rewrite_replaces_what_an_earlier_one_left_but_not_what_one_is_writing(path: Path) -> None:
    partial(path).write_bytes(b"left")
    writer = rewriter(path)
    with pytest.raises(CassetteError, match=r"\.partial is locked by another mcptap"):
        rewriter(path)
    writer.close()

    assert len(list(open_cassette(path).lines())) == 1


def test_rewrite_that_is_given_up_leaves_the_old_cassette(path: Path) -> None:
    samples.write(path)
    writer = rewriter(path)
    writer.append(LINE)

    writer.close(replace=False)

    assert list(open_cassette(path).records()) == samples.SAMPLE_RECORDS
    assert partial(path).exists()
    open_writer(path).close()


def test_rewrite_does_not_replace_what_somebody_began_to_record_meanwhile(path: Path) -> None:
    writer = rewriter(path)
    other = open_writer(path)

    with pytest.raises(CassetteError, match="is locked by another mcptap"):
        writer.close()

    other.close()
    assert partial(path).exists()


NEWER = {**lines.header_line(samples.HEADER), "version": 2, "id": ["changed"]}


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (NEWER, "was written by a newer mcptap (format 2); upgrade mcptap"),
        ({"name": "package"}, 'is not a cassette: its first line has no "mcptap":"cassette"'),
    ],
)
def test_other_files_are_left_alone(first: Json, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    path.write_bytes(data := codec.dumps(first) + b"\n")

    with pytest.raises(CassetteError) as caught:
        open_writer(path)

    assert message in str(caught.value)
    assert path.read_bytes() == data


@pytest.mark.parametrize("mode", ["all", "rewrite"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("directory", "is a directory"),
        ("file/rec.jsonl", "file is not a directory"),
        ("file/deeper/rec.jsonl", "can't be written: Not a directory"),
        ("x" * 300, "can't be written: File name too long"),
        ("pipe", "is not a regular file"),
        ("/proc/rec.jsonl", "can't be written: "),
        ("/dev/null", "/dev/null"),
    ],
)
def test_what_can_not_be_written_is_told_in_one_line(
    name: str, reason: str, mode: str, tmp_path: Path
) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(CassetteError) as caught:
        (rewriter if mode == "rewrite" else open_writer)(tmp_path / name)

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code == 3
