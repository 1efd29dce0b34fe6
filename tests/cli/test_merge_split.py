"""`mcptap merge` and `mcptap split`, as the user has them."""

from __future__ import annotations

import shutil
from pathlib import Path

from mcptap.cassette.reader import open_cassette
from tests.cassette.samples import write
from tests.cli.running import mcptap

RECORDING = Path(__file__).parent.parent.parent / "recordings" / "time.jsonl"


def test_a_folder_is_merged_and_split_again(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("a.jsonl", "b.jsonl"):
        shutil.copy(RECORDING, folder / name)
    both, parts = tmp_path / "both.jsonl.zst", tmp_path / "parts"
    assert mcptap("merge", folder, "-o", both).returncode == 0
    assert [each.session for each in open_cassette(both).sessions()] == [1, 2]
    done = mcptap("split", both, "-o", parts)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [f"{parts / f'both-{n}.jsonl.zst'}: 5 interactions" for n in (1, 2)]
    assert mcptap("doctor", parts).returncode == 0


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    before = path.read_bytes()
    done = mcptap("merge", path, "-o", path)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "there already" in done.stderr
    (tmp_path / "a-1.jsonl").touch()
    assert mcptap("split", path, "-o", tmp_path).returncode == 3
    assert path.read_bytes() == before


def test_a_torn_end_is_left_out_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    with path.open("ab") as file:
        file.write(b'{"kind":"inter')
    for command, output in (("merge", tmp_path / "b.jsonl"), ("split", tmp_path / "parts")):
        done = mcptap(command, path, "-o", output)
        assert (done.returncode, "14 bytes" in done.stderr) == (0, True)


def test_a_damaged_cassette_leaves_nothing_behind(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    with path.open("ab") as file:
        file.write(b"{damaged\n{}\n")
    for command in ("merge", "split"):
        done = mcptap(command, path, "-o", tmp_path / "out")
        assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert [each.name for each in tmp_path.iterdir()] == ["a.jsonl"]
