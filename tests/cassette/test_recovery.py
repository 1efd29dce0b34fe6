"""Whatever cuts a cassette short takes its last line at most, and nothing is thrown away."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mcptap.cassette import format as lines
from mcptap.cassette.reader import open_cassette
from mcptap.cassette.writer import CassetteWriter
from mcptap.errors import CassetteError
from tests.cassette import samples

NAMES = ["rec.jsonl", "rec.jsonl.zst"]
CONTENT = [lines.header_line(samples.HEADER), *map(dict, samples.SAMPLE)]
NEXT = lines.interaction_line(samples.call(9, answer="after"))


def contents(path: Path) -> list[dict[str, Any]]:
    return [line for _, _, line in open_cassette(path).lines()]


def torn_name(path: Path) -> Path:
    return path.with_name(path.name + ".torn")


def append(path: Path) -> CassetteWriter:
    writer = CassetteWriter.open(path, samples.HEADER, fsync="never")
    writer.append(NEXT)
    writer.close()
    return writer


def line_ends(path: Path) -> list[int]:
    offsets = [offset for _, offset, _ in open_cassette(path).lines()]
    return [*offsets[1:], path.stat().st_size]


@pytest.fixture(params=NAMES)
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return samples.write(tmp_path / "whole" / request.param)


@pytest.mark.parametrize("padding", [b"", b"\0", b"\0" * 5000], ids=["cut", "one NUL", "many NULs"])
def test_cut_at_any_byte_loses_nothing_but_the_torn_line(whole: Path, tmp_path: Path, padding: bytes) -> None:
    data = whole.read_bytes()
    ends = line_ends(whole)
    compressed = whole.suffix == ".zst"
    header_end = ends[0] if compressed else ends[0] - 1

    for size in range(header_end, len(data) + 1):
        path = tmp_path / str(size) / whole.name
        path.parent.mkdir()
        path.write_bytes(data[:size] + padding)
        # A plain line that lacks nothing but its newline is complete.
        complete = sum(size >= end - (not compressed) for end in ends)
        kept = size if not compressed and size + 1 == ends[complete - 1] else ends[complete - 1]
        torn = data[kept:size] + padding

        cassette = open_cassette(path)
        assert [line for _, _, line in cassette.lines()] == CONTENT[:complete], size
        assert cassette.torn_bytes == len(torn), size
        assert path.read_bytes() == data[:size] + padding  # reading changes nothing

        writer = append(path)
        assert contents(path) == [*CONTENT[:complete], NEXT], size
        assert writer.appending
        assert writer.torn == (torn_name(path) if torn else None)
        assert torn_name(path).exists() == bool(torn)
        assert not torn or torn_name(path).read_bytes() == torn


def test_cut_in_the_header_is_never_taken_for_an_empty_cassette(whole: Path) -> None:
    data = whole.read_bytes()
    header_end = line_ends(whole)[0]

    for size in range(1, header_end - (whole.suffix != ".zst")):
        for padding in (b"", b"\0\0\0"):
            whole.write_bytes(data[:size] + padding)
            with pytest.raises(CassetteError, match="is not a cassette"):
                open_cassette(whole)
            with pytest.raises(CassetteError, match="is not a cassette"):
                CassetteWriter.open(whole, samples.HEADER)
            assert whole.read_bytes() == data[:size] + padding


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_nuls_is_no_empty_cassette(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"\0" * 4096)

    with pytest.raises(CassetteError, match="is not a cassette"):
        CassetteWriter.open(path, samples.HEADER)

    assert path.read_bytes() == b"\0" * 4096


def test_second_torn_end_goes_behind_the_first(whole: Path) -> None:
    for _ in range(2):
        whole.write_bytes(whole.read_bytes()[:-3])
        append(whole)

    saved = torn_name(whole).read_bytes()
    assert len(contents(whole)) == len(CONTENT)
    assert torn_name(whole).stat().st_mode & 0o777 == 0o600
    if whole.suffix != ".zst":
        assert saved.count(b'{"kind":"interaction"') == 2
        assert b"one" in saved
        assert b"after" in saved


def test_torn_end_that_can_not_be_saved_stays_where_it_is(whole: Path) -> None:
    data = whole.read_bytes()[:-3]
    whole.write_bytes(data)
    torn_name(whole).mkdir()

    with pytest.raises(CassetteError, match="can't be written"):
        CassetteWriter.open(whole, samples.HEADER)

    assert whole.read_bytes() == data


@pytest.mark.parametrize("garbage", [b"{", b"[1]", b"null", b"\xff", b'{"a":"\xff"}', b"", b"\0\0", b"{}{}"])
def test_damage_in_the_middle_names_the_line_and_changes_nothing(garbage: bytes, tmp_path: Path) -> None:
    path = samples.write(tmp_path / "rec.jsonl")
    found = path.read_bytes().split(b"\n")
    found[3] = garbage
    path.write_bytes(data := b"\n".join(found)[:-5])

    for use in (
        lambda: list(open_cassette(path).records()),
        lambda: CassetteWriter.open(path, samples.HEADER),
    ):
        with pytest.raises(CassetteError, match=r"rec\.jsonl is damaged in line 4") as caught:
            use()
        assert "\n" not in str(caught.value)
        assert "doctor --salvage" in caught.value.hint
    assert path.read_bytes() == data
    assert not torn_name(path).exists()


def test_flipped_byte_in_a_compressed_cassette_is_damage_and_never_another_text(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "rec.jsonl.zst")
    data = path.read_bytes()
    ends = line_ends(path)

    for position in range(ends[0], ends[-2]):  # every line but the first and the last
        for flipped in (data[position] ^ 0xFF, data[position] ^ 0x01, 0):
            if flipped == data[position]:
                continue
            path.write_bytes(data[:position] + bytes([flipped]) + data[position + 1 :])
            number = 1 + sum(position >= end for end in ends)
            try:
                assert contents(path) == CONTENT  # a bit that means nothing
            except CassetteError as error:
                # Without its checksum flag a line is read, and the checksum taken for the next line.
                named = (f"damaged in line {number}:", f"damaged in line {number + 1}:")
                assert any(name in str(error) for name in named)  # noqa: PT017
            else:
                assert open_cassette(path).torn_bytes == 0


def test_damaged_compressed_line_is_not_cut_off_with_everything_behind_it(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "rec.jsonl.zst")
    data = path.read_bytes()
    second = line_ends(path)[0]
    path.write_bytes(broken := data[: second + 20] + data[second + 24 :])

    with pytest.raises(CassetteError, match="damaged in line 2"):
        CassetteWriter.open(path, samples.HEADER)

    assert path.read_bytes() == broken


def test_appending_to_a_large_line_that_was_torn(tmp_path: Path) -> None:
    for name in NAMES:
        path = samples.write(tmp_path / name, [])
        header_size = path.stat().st_size
        noise = os.urandom(500_000).hex()
        path = samples.write(path, [lines.message_line(samples.MESSAGE) | {"noise": noise}])
        torn = path.read_bytes()[header_size:-1000]
        os.truncate(path, path.stat().st_size - 1000)

        append(path)

        assert contents(path) == [CONTENT[0], NEXT]
        assert torn_name(path).read_bytes() == torn
