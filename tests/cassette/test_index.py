from __future__ import annotations

import hashlib
import os
import tracemalloc
from pathlib import Path

import pytest

from mcptap import codec
from mcptap.cassette import format as lines
from mcptap.cassette.index import CassetteIndex, MessageEntry
from mcptap.cassette.reader import open_cassette
from mcptap.errors import CassetteError
from mcptap.model import Era, Interaction, Json, SessionStart
from mcptap.protocol import META, VERSION_META
from tests.cassette import samples


def key_of(era: Era, method: str, params: Json | None) -> bytes:
    return hashlib.sha256(codec.dumps([era, method, params])).digest()


@pytest.fixture(params=["rec.jsonl", "rec.jsonl.zst"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def test_interactions_are_found_by_key_and_method_and_read_back(path: Path) -> None:
    index = CassetteIndex.of([open_cassette(samples.write(path))], key_of)

    calls = index.by_method["tools/call"]
    assert [entry.seq for entry in index.entries] == [1, 2, 3]
    assert [entry.seq for entry in calls] == [1, 3]
    assert index.by_key[key_of("handshake", "tools/call", samples.call(1).params)] == calls
    assert [index.read(entry) for entry in index.entries] == [
        samples.call(1),
        samples.SPLIT,
        samples.call(3, answer="one"),
    ]
    assert [len(entry.offsets) for entry in index.entries] == [1, 4, 1]
    assert index.sessions == (samples.SESSION,)
    assert index.eras == {"handshake"}
    (message,) = index.messages
    assert (message.session, message.at) == (1, samples.MESSAGE.at)
    assert index.read_message(message) == samples.MESSAGE
    assert b"absent" not in index.by_key


def test_entries_are_in_the_order_of_arrival_and_not_of_completion(path: Path) -> None:
    samples.write(path, [lines.interaction_line(samples.call(seq)) for seq in (3, 1, 2)])

    index = CassetteIndex.of([open_cassette(path)], key_of)

    assert [entry.seq for entry in index.entries] == [1, 2, 3]
    assert [entry.seq for entries in index.by_key.values() for entry in entries] == [1, 2, 3]


def test_unanswered_request_is_read_back(path: Path) -> None:
    event = samples.SPLIT.events[0]
    samples.write(path, [lines.begin_line(samples.SPLIT), lines.event_line(2, event)])

    index = CassetteIndex.of([open_cassette(path)], key_of)

    (entry,) = index.entries
    assert index.read(entry) == Interaction(
        2, 1, 0.25, "subscriptions/listen", {}, outcome="unanswered", events=(event,)
    )


def test_era_is_that_of_the_session_or_else_of_the_request(path: Path) -> None:
    modern = Interaction(2, 7, 0, "ping", {META: {VERSION_META: "2026-07-28"}}, result={})
    old = Interaction(3, 8, 0, "ping", result={})
    in_session = Interaction(4, 9, 0, "ping", result={})
    session = SessionStart(9, 0, "modern", "http", None)
    samples.write(
        path,
        [lines.session_line(session), *(lines.interaction_line(one) for one in (modern, old, in_session))],
    )

    index = CassetteIndex.of([open_cassette(path)], key_of)

    assert [entry.era for entry in index.entries] == ["modern", "handshake", "modern"]
    assert index.eras == {"modern", "handshake"}


def test_cassettes_of_a_folder_are_one_index_with_distinct_sessions(tmp_path: Path) -> None:
    paths = [samples.write(tmp_path / name) for name in ("a.jsonl", "b.jsonl.zst", "c.jsonl")]
    index = CassetteIndex.of(map(open_cassette, paths), key_of)

    assert [cassette.path for cassette in index.cassettes] == paths
    assert [(entry.file, entry.seq) for entry in index.entries] == [
        (file, seq) for file in range(3) for seq in (1, 2, 3)
    ]
    assert len({session.session for session in index.sessions}) == 3
    assert index.sessions[0] == samples.SESSION
    assert [{entry.session for entry in index.entries if entry.file == file} for file in range(3)] == [
        {session.session} for session in index.sessions
    ]
    assert [message.session for message in index.messages] == [one.session for one in index.sessions]
    for entry in index.entries:
        read = index.read(entry)
        assert (read.seq, read.session, read.method) == (entry.seq, entry.session, entry.method)
    for message in index.messages:
        assert index.read_message(message).session == message.session


def test_index_of_nothing_is_empty() -> None:
    index = CassetteIndex.of([], key_of)

    assert (index.entries, index.sessions, index.messages, index.eras) == ((), (), (), frozenset())


def test_cassette_that_was_changed_meanwhile_gives_no_wrong_answer(path: Path) -> None:
    index = CassetteIndex.of([open_cassette(samples.write(path))], key_of)
    entry = index.entries[-1]
    path.unlink()
    samples.write(path, [lines.interaction_line(samples.call(8, answer="x" * 40))] * 9)

    for wrong in (entry, index.entries[0], index.entries[1]):
        with pytest.raises(CassetteError, match="was changed while it was in use"):
            index.read(wrong)
    for offset in (0, 3, 10**6, index.entries[0].offsets[0]):
        with pytest.raises(CassetteError, match="was changed while it was in use"):
            index.read_message(MessageEntry(1, 0, offset))
    path.unlink()
    with pytest.raises(CassetteError, match="does not exist"):
        index.read(entry)


def test_memory_does_not_grow_with_the_bodies(path: Path) -> None:
    body = os.urandom(50_000).hex()
    samples.write(path, (lines.interaction_line(samples.call(seq, answer=body)) for seq in range(200)))
    cassette = open_cassette(path)

    tracemalloc.start()
    try:
        index = CassetteIndex.of([cassette], key_of)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(index.entries) == 200
    assert kept < 200_000
