from __future__ import annotations

from pathlib import Path

import pytest

from mcptap.cassette import format as lines
from mcptap.cassette.framing import framing_of
from mcptap.codec import dumps
from mcptap.errors import CassetteError
from mcptap.reporting.feed import Feed
from mcptap.reporting.following import Follower
from tests.cassette import samples


def seqs(feed: Feed) -> list[int]:
    return [row.seq for row in feed.rows()]


def follow(path: Path) -> tuple[Feed, Follower]:
    feed = Feed()
    return feed, Follower(path, feed)


def read_all(follower: Follower) -> None:
    while follower.read_on():
        pass


@pytest.mark.parametrize("name", ["rec.jsonl", "rec.jsonl.zst"])
def test_what_is_added_is_read_and_half_a_line_is_waited_for(tmp_path: Path, name: str) -> None:
    path = samples.write(tmp_path / name, [lines.interaction_line(samples.call(1))])
    feed, follower = follow(path)
    read_all(follower)
    assert seqs(feed) == [1]
    line = framing_of(path).encode(dumps(lines.interaction_line(samples.call(2))))
    with path.open("ab", buffering=0) as file:
        file.write(line[:20])
        read_all(follower)
        assert (seqs(feed), feed.notices()) == ([1], [])
        file.write(line[20:])
        read_all(follower)
    assert seqs(feed) == [1, 2]


@pytest.mark.parametrize("name", ["rec.jsonl", "rec.jsonl.zst"])
def test_a_damaged_line_is_named_and_passed_over(tmp_path: Path, name: str) -> None:
    path = samples.write(tmp_path / name, [lines.interaction_line(samples.call(1))])
    encode = framing_of(path).encode
    with path.open("ab") as file:
        file.write(encode(b"}") + encode(b'{"kind":"interaction"}') + encode(dumps(samples.SAMPLE[2])))
        file.write(encode(dumps(lines.interaction_line(samples.call(5)))))
    feed, follower = follow(path)
    read_all(follower)
    assert seqs(feed) == [1, 1, 5]
    assert [notice.partition(":")[0] for notice in feed.notices()] == [
        "line 3 is damaged",
        "line 4 is damaged",
    ]


def test_a_cassette_that_is_replaced_starts_anew(tmp_path: Path) -> None:
    path = samples.write(tmp_path / "rec.jsonl")
    feed, follower = follow(path)
    read_all(follower)
    run = feed.run
    samples.write(tmp_path / "new.jsonl", [lines.interaction_line(samples.call(9))]).replace(path)
    read_all(follower)
    assert (seqs(feed), feed.run) == ([9], run + 1)
    path.unlink()
    read_all(follower)
    assert seqs(feed) == [9]


def test_many_lines_are_read_in_turns(tmp_path: Path) -> None:
    path = samples.write(
        tmp_path / "rec.jsonl", [lines.interaction_line(samples.call(n)) for n in range(1, 500)]
    )
    feed, follower = follow(path)
    assert follower.read_on()
    assert len(seqs(feed)) < 400
    read_all(follower)
    assert len(seqs(feed)) == 499


@pytest.mark.parametrize("content", [None, b"", b"hello\n"])
def test_what_is_no_cassette_can_t_be_followed(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "rec.jsonl").write_bytes(content)
    with pytest.raises(CassetteError):
        follow(tmp_path / "rec.jsonl")
