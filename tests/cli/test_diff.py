"""`mcptap diff`, as the user has it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.running import mcptap

RECORDINGS = Path(__file__).parents[2] / "recordings"


def changed(path: Path) -> Path:
    """The recording of the time server with another answer, and without its last request."""
    text = (RECORDINGS / "time.jsonl").read_text(encoding="utf-8")
    lines = text.replace('"day_of_week":"Sunday"', '"day_of_week":"Monday"', 1).splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"seq":5' not in line), encoding="utf-8")
    return path


def test_the_same_is_the_same() -> None:
    ran = mcptap("diff", RECORDINGS / "git.jsonl", RECORDINGS / "git.jsonl")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith(": 6 the same, 0 changed, 0 added, 0 removed\n")


def test_what_differs_is_shown_and_the_exit_code_says_so(tmp_path: Path) -> None:
    other = changed(tmp_path / "other.jsonl")
    ran = mcptap("diff", RECORDINGS / "time.jsonl", other, COLUMNS="100")
    assert ran.returncode == 1, ran.stderr
    title, *lines = ran.stdout.splitlines()
    assert title.endswith("3 the same, 1 changed, 0 added, 1 removed")
    assert lines[1] == "- tool get_current_time (interaction 5)"
    columns = next(line for line in lines if "│" in line)
    assert columns.split() == ["time.jsonl", "│", "other.jsonl"]
    assert any(line.split() == ['"Sunday"', "│", '"Monday"'] for line in lines)
    assert mcptap("diff", RECORDINGS / "time.jsonl", other, "--ignore", "$..day_of_week").returncode == 1


def test_programs_get_what_differs_a_line(tmp_path: Path) -> None:
    ran = mcptap("diff", changed(tmp_path / "other.jsonl"), RECORDINGS / "time.jsonl", "--json")
    *pairs, numbers = map(json.loads, ran.stdout.splitlines())
    assert [(pair["change"], pair.get("first"), pair["second"]) for pair in pairs] == [
        ("changed", 3, 3),
        ("added", None, 5),
    ]
    (finding,) = [each for each in pairs[0]["findings"] if each["path"].startswith("$.structured")]
    assert (finding["first"], finding["second"]) == ("Monday", "Sunday")
    assert numbers == {"summary": {"same": 3, "changed": 1, "added": 1, "removed": 0}}


def test_a_cassette_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    ran = mcptap("diff", RECORDINGS / "time.jsonl", tmp_path / "none.jsonl")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "none.jsonl does not exist" in ran.stderr
