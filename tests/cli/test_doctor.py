from __future__ import annotations

import json
from pathlib import Path

from tests.cassette import samples
from tests.cli.running import mcptap


def test_a_damaged_cassette_is_named_with_its_line_and_then_saved(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "rec.jsonl", [samples.SAMPLE[0], samples.SAMPLE[2]])
    path.write_bytes(path.read_bytes() + b"}\n" + path.read_bytes().splitlines(keepends=True)[-1])

    looked = mcptap("doctor", path)
    assert looked.returncode == 1
    assert f"{path}: line 4: damaged: it is not a JSON object (2 bytes)" in looked.stdout
    assert f"{path}: line 5: order: seq 1 was there before" in looked.stdout
    assert looked.stdout.splitlines()[-1].endswith("2 interactions, 1 sessions, 2 problems")

    listed = mcptap("doctor", "--json", tmp_path)
    assert [json.loads(line)["kind"] for line in listed.stdout.splitlines()] == ["damaged", "order"]

    saved = mcptap("doctor", "--salvage", path)
    assert saved.returncode == 0
    assert "saved 3 lines, 1 lost, 1 renumbered" in saved.stderr

    again = mcptap("doctor", path)
    assert again.returncode == 0
    assert again.stdout.splitlines()[-1].endswith("no problems")


def test_reading_a_damaged_cassette_says_how_to_save_it(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "rec.jsonl")
    path.write_bytes(path.read_bytes() + b"}\n")

    assert "mcptap doctor --salvage" in mcptap("inspect", path).stderr


def test_what_is_no_cassette_is_one_line_and_exit_code_3(tmp_path: Path) -> None:
    (tmp_path / "rec.jsonl").write_text("{}\n")

    for salvage in ((), ("--salvage",)):
        done = mcptap("doctor", tmp_path / "rec.jsonl", *salvage)
        assert done.returncode == 3
        assert len(done.stderr.splitlines()) == 1
