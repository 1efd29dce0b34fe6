"""Two recordings of one session are the same, to the byte, when they are normalized; and still replay."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mcptap.cassette.format import (
    begin_line,
    end_line,
    event_line,
    header_line,
    interaction_line,
    message_line,
    schema,
    session_line,
)
from mcptap.cassette.index import CassetteIndex
from mcptap.cassette.normalizing import normalize
from mcptap.cassette.reader import open_cassette
from mcptap.codec import dumps
from mcptap.matching.canonical import key_of
from mcptap.model import CassetteHeader, Event, Interaction, Message, SessionStart, Target

SERVER = Target("server", "stdio", ("server",))
BEGAN = datetime.fromisoformat("2026-11-22T20:00:00.000Z")


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def run(number: int, *, slow: bool = False) -> list[dict[str, Any]]:
    """The lines of one run of a session; ``number`` stands for all that differs between runs."""
    began = BEGAN + timedelta(days=3 * number)
    task, state, uuid = f"7a{number}f-task", f"opaque{number}", f"0b5bd1c8-5f5c-4c5e-9d58-00000000000{number}"
    header = CassetteHeader(f"id{number}", stamp(began), "mcptap", SERVER)
    lines = [
        header_line(header),
        session_line(SessionStart(1, 0.1 * number, "handshake", "stdio", {"name": "c"}, started_at=None)),
    ]
    started = Interaction(
        1,
        1,
        0.2 * number,
        "tools/call",
        {
            "name": "start",
            "arguments": {"day": "2026-11-22T20:00:01Z"},
            "_meta": {"progressToken": 7 + number},
        },
        ms=1.5 * number,
        proxy_ms=0.1 * number,
        result={
            "task": {"taskId": task, "createdAt": stamp(began)},
            "requestState": state,
            "at": "2001-01-01T00:00:00Z",
        },
        events=(
            Event(
                0.1 * number, "server", "notifications/progress", {"progressToken": 7 + number, "progress": 1}
            ),
            Event(0.2 * number, "server", "notifications/message", {"data": f"run {uuid} of {task}, {uuid}"}),
        ),
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
    )
    polled = Interaction(
        2, 1, 0.3 * number, "tasks/get", {"taskId": task}, ms=1.0, result={"status": "working"}
    )
    said = message_line(Message(1, 0.4 * number, "server", "notifications/tasks/status", {"taskId": task}))
    if slow:  # the first took so long that it was split, and ended after the second
        first, *rest = [begin_line(started), *(event_line(1, event) for event in started.events)]
        return [*lines, first, *rest, interaction_line(polled), said, end_line(started)]
    return [*lines, interaction_line(started), interaction_line(polled), said]


def written(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(dumps(line) + b"\n" for line in lines))
    return path


@pytest.mark.parametrize("slow", [False, True])
def test_two_runs_of_a_session_are_the_same(tmp_path: Path, *, slow: bool) -> None:
    first, second = written(tmp_path / "1.jsonl", run(1)), written(tmp_path / "2.jsonl", run(2, slow=slow))
    for path in (first, second):
        normalize(path)
        for line in path.read_text().splitlines():
            Draft202012Validator(schema()).validate(json.loads(line))
    assert first.read_bytes() == second.read_bytes()
    assert list(tmp_path.iterdir()) == [first, second] or set(tmp_path.iterdir()) == {first, second}


def test_what_the_protocol_issued_is_numbered_wherever_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path / "rec.jsonl", run(1))
    normalize(path)
    first, second = open_cassette(path).interactions()
    assert first.result is not None
    assert first.result["task"] == {"taskId": "task-1", "createdAt": "1970-01-01T00:00:00Z"}
    assert first.result["requestState"] == "state-1"
    assert first.params is not None
    assert first.params["_meta"] == {"progressToken": 1}
    assert first.events[0].params == {"progressToken": 1, "progress": 1}
    uuid = "00000000-0000-4000-8000-000000000001"
    assert first.events[1].params == {
        "data": f"run {uuid} of 7a1f-task, {uuid}".replace("7a1f-task", "task-1")
    }
    assert second.params == {"taskId": "task-1"}


def test_other_times_and_what_the_client_says_stay(tmp_path: Path) -> None:
    path = written(tmp_path / "rec.jsonl", run(1))
    normalize(path)
    first = next(open_cassette(path).interactions())
    assert first.params is not None
    assert first.params["arguments"] == {"day": "2026-11-22T20:00:01Z"}
    assert first.result is not None
    assert first.result["at"] == "2001-01-01T00:00:00Z"


def test_a_message_stays_behind_the_request_that_it_followed(tmp_path: Path) -> None:
    path = written(tmp_path / "rec.jsonl", run(2, slow=True))
    normalize(path)
    index = CassetteIndex.of([open_cassette(path)], key_of)
    (timeline,) = index.timelines.values()
    (remark,) = timeline.placed
    assert remark.follows == timeline.spans[index.entries[1]].ended


@given(st.booleans(), st.integers(1, 9))
def test_to_normalize_twice_is_to_normalize_once(slow: bool, number: int) -> None:
    import tempfile  # noqa: PLC0415 - a folder for each example

    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "rec.jsonl", run(number, slow=slow))
        normalize(path)
        once = path.read_bytes()
        normalize(path)
        assert path.read_bytes() == once


def test_a_compressed_cassette_stays_compressed(tmp_path: Path) -> None:
    from mcptap.cassette.rewriting import rewrite  # noqa: PLC0415 - only here

    plain, compressed = written(tmp_path / "1.jsonl", run(1)), tmp_path / "2.jsonl.zst"
    rewrite(compressed, open_cassette(plain).header, (dumps(line) for line in run(1)[1:]))
    normalize(plain)
    normalize(compressed)
    assert [line for _, _, line in open_cassette(compressed).lines()] == [
        line for _, _, line in open_cassette(plain).lines()
    ]
