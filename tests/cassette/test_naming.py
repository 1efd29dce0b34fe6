from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mcptap.cassette.naming import cassettes_in, claim, is_folder
from mcptap.cassette.opening import open_all
from mcptap.cassette.writer import CassetteWriter
from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader, Target

STARTED = datetime(2026, 11, 22, 20, 0, 0, tzinfo=UTC)


def write(path: Path, server: str, recorded_at: str) -> None:
    header = CassetteHeader("1", recorded_at, "test", Target(server, "stdio", (server,)))
    CassetteWriter.open(path, header).close()


def test_two_runs_that_start_in_the_same_second_get_files_of_their_own(tmp_path: Path) -> None:
    names = [claim(tmp_path / "made", "time", STARTED).name for _ in range(3)]
    assert names == [
        "time-20261122T200000Z.jsonl",
        "time-20261122T200000Z-2.jsonl",
        "time-20261122T200000Z-3.jsonl",
    ]


def test_a_server_name_can_t_lead_out_of_the_folder(tmp_path: Path) -> None:
    path = claim(tmp_path, "../../etc/passwd\n@scope", STARTED)
    assert path.parent == tmp_path
    assert path.name == "etc-passwd-scope-20261122T200000Z.jsonl"
    assert claim(tmp_path, "///", STARTED).name.startswith("server-")


def test_a_folder_that_can_t_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CassetteError, match="can't be written to"):
        claim(tmp_path / "file" / "folder", "time", STARTED)


def test_what_has_no_cassette_s_name_is_meant_for_a_folder(tmp_path: Path) -> None:
    assert is_folder(tmp_path)
    assert is_folder(tmp_path / "absent")
    assert not is_folder(tmp_path / "absent.jsonl")
    assert not is_folder(tmp_path / "absent.jsonl.zst")
    (tmp_path / "present").touch()
    assert not is_folder(tmp_path / "present")


def test_the_cassettes_of_a_folder_are_opened_in_the_order_of_recording(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", "time", "2026-11-22T21:00:00.000Z")
    write(tmp_path / "b.jsonl.zst", "time", "2026-11-22T20:00:00.000Z")
    (tmp_path / "claimed.jsonl").touch()
    (tmp_path / "notes.txt").write_text("no cassette", encoding="utf-8")
    assert [path.name for path in cassettes_in(tmp_path)] == ["a.jsonl", "b.jsonl.zst"]
    assert [each.path.name for each in open_all(tmp_path)] == ["b.jsonl.zst", "a.jsonl"]
    assert [each.path.name for each in open_all(tmp_path / "a.jsonl")] == ["a.jsonl"]


def test_a_folder_without_cassettes_or_with_those_of_several_servers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="no cassettes"):
        open_all(tmp_path)
    write(tmp_path / "a.jsonl", "time", "2026-11-22T20:00:00.000Z")
    write(tmp_path / "b.jsonl", "git", "2026-11-22T20:00:00.000Z")
    with pytest.raises(CassetteError, match=r"cassettes of 2 servers \(git, time\)"):
        open_all(tmp_path)
