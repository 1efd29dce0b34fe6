"""The record modes: what a mode and the presence of a cassette decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptap.errors import CassetteError, UsageError
from mcptap.modes import MODES, Plan, RecordMode, plan_of
from mcptap.recording import record_to

RECORD = Plan(replays=False, write="all")
REPLAY = Plan(replays=True, write=None)


@pytest.mark.parametrize(
    ("mode", "absent", "present"),
    [
        ("all", RECORD, RECORD),
        ("once", RECORD, REPLAY),
        ("new-episodes", RECORD, Plan(replays=True, write="all")),
        ("rewrite", Plan(replays=False, write="rewrite"), Plan(replays=False, write="rewrite")),
    ],
)
def test_a_mode_decides_by_whether_the_cassette_is_there(
    mode: RecordMode, absent: Plan, present: Plan, tmp_path: Path
) -> None:
    path = tmp_path / "rec.jsonl"
    assert plan_of(mode, path) == absent
    path.touch()
    assert plan_of(mode, path) == absent, "an empty file is no cassette yet"
    with record_to(path):
        pass
    assert plan_of(mode, path) == present


def test_none_replays_and_says_what_to_do_where_there_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    with pytest.raises(CassetteError, match="record it in another mode"):
        plan_of("none", path)
    assert not path.exists()
    with record_to(path):
        pass
    assert plan_of("none", path) == REPLAY


@pytest.mark.parametrize("mode", sorted(set(MODES) - {"all", "rewrite"}))
def test_a_folder_has_no_cassette_that_could_be_there(mode: RecordMode, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        plan_of(mode, tmp_path)
