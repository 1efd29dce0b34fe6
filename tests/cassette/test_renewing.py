"""New interactions in the place of old ones, and every other line as it was."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from mcptap.cassette.reader import open_cassette
from mcptap.cassette.renewing import Renewal

RECORDING = Path(__file__).parents[2] / "recordings" / "everything.jsonl"


def renewed(path: Path, *seqs: int) -> None:
    cassette = open_cassette(path)
    with closing(Renewal(cassette)) as renewal:
        for interaction in cassette.interactions():
            if interaction.seq in seqs:
                renewal.add(replace(interaction, result={"new": interaction.seq}, events=()))
        assert renewal.seqs == sorted(seqs)
        renewal.write()


def test_the_lines_of_others_stay_byte_for_byte_and_one_in_pieces_becomes_one(tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    # However a line is written by hand, it stays so.
    before = RECORDING.read_bytes().replace(b'{"kind":"message",', b'{ "kind": "message" ,')
    path.write_bytes(before)
    renewed(path, 7, 10)
    old, new = before.splitlines(), path.read_bytes().splitlines()
    pieces = [line for line in old if b'"seq":10' in line]
    assert len(pieces) > 2
    touched = [line for line in new if line not in old]
    assert [b'"result":{"new":7}' in touched[0], b'"result":{"new":10}' in touched[1]] == [True, True]
    assert [line for line in old if line not in new] == [
        line for line in old if b'"seq":7,' in line or line in pieces
    ]
    by_seq = {interaction.seq: interaction for interaction in open_cassette(path).interactions()}
    assert by_seq[10].result == {"new": 10}
    assert by_seq[10].events == ()
    assert sorted(by_seq) == list(range(1, 13))


def test_a_compressed_cassette_stays_compressed(tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl.zst"
    compressor = zstandard.ZstdCompressor(write_checksum=True)
    lines = RECORDING.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(map(compressor.compress, lines)))
    renewed(path, 8)
    cassette = open_cassette(path)
    assert [text + b"\n" for number, text, line in cassette.texts() if line.get("seq") != 8] == [
        line for line in lines if b'"seq":8,' not in line
    ]
    assert {each.seq: each.result for each in cassette.interactions()}[8] == {"new": 8}


def test_nothing_is_left_behind_where_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    path.write_bytes(RECORDING.read_bytes())
    cassette = open_cassette(path)
    with closing(Renewal(cassette)) as renewal:
        renewal.add(next(cassette.interactions()))
        path.write_bytes(RECORDING.read_bytes() + b"damage\n{}\n")
        with pytest.raises(Exception, match="damaged"):
            renewal.write()
    assert [each.name for each in tmp_path.iterdir()] == ["rec.jsonl"]
    assert path.read_bytes().endswith(b"damage\n{}\n")
