"""One cassette as several: one for each of its client sessions."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple

from mcptap.cassette.format import Line
from mcptap.cassette.reader import Cassette
from mcptap.model import CassetteHeader

_ID_BYTES: Final = 16
_AT_DECIMALS: Final = 6


class Part(NamedTuple):
    """What one client session becomes.

    Attributes:
        session: Its number in the cassette that it was part of.
        interactions: How many requests it has.
        header: The first line, and
        lines: the others; they can be read once.
    """

    session: int
    interactions: int
    header: CassetteHeader
    lines: Iterator[Line]


class _Found:
    """Where the lines of a session are, and how its requests are numbered."""

    def __init__(self, opened_at: float) -> None:
        self.opened_at = opened_at
        self.offsets = array("q")
        self.seqs: set[int] = set()


def split(cassette: Cassette) -> Iterator[Part]:
    """Split a cassette by client session, in the order of their opening.

    Each part begins with its session: its header has that time, and its requests are numbered from 1.
    What belongs to no session, such as a gap, is in every part.

    Raises:
        CassetteError: It is damaged.
    """
    found: dict[int, _Found] = {}
    session_of: dict[int, int] = {}
    shared = array("q")
    for number, offset, line in cassette.lines():
        if number == 1:
            continue
        session, seq = line.get("session"), line.get("seq")
        if not isinstance(session, int) and isinstance(seq, int):
            session = session_of.get(seq)
        if not isinstance(session, int):
            shared.append(offset)
            continue
        if session not in found:
            found[session] = _Found(_at(line))
        found[session].offsets.append(offset)
        if isinstance(seq, int):
            found[session].seqs.add(seq)
            if line.get("kind") == "begin":
                session_of[seq] = session
    for session, each in found.items():
        numbers = {seq: number for number, seq in enumerate(sorted(each.seqs), 1)}
        offsets = sorted((*each.offsets, *shared)) if shared else each.offsets
        opened = _to_milliseconds(cassette.recorded_at() + timedelta(seconds=each.opened_at))
        passed = (opened - cassette.recorded_at()).total_seconds()
        lines = _renumbered(cassette.lines_at(offsets), numbers, passed)
        yield Part(session, len(numbers), _header(cassette.header, session, opened), lines)


def _to_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _header(header: CassetteHeader, session: int, opened: datetime) -> CassetteHeader:
    known = blake2b(f"{header.id}/{session}".encode(), digest_size=_ID_BYTES, person=b"mcptap-split")
    recorded_at = opened.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return replace(header, id=known.hexdigest(), recorded_at=recorded_at)


def _renumbered(lines: Iterator[Line], numbers: dict[int, int], passed: float) -> Iterator[Line]:
    for line in lines:
        if isinstance(line.get("at"), (int, float)):
            line["at"] = round(max(0.0, _at(line) - passed), _AT_DECIMALS)
        if "session" in line:
            line["session"] = 1
        if isinstance(seq := line.get("seq"), int):
            line["seq"] = numbers.get(seq, seq)
        yield line


def _at(line: Line) -> float:
    at = line.get("at")
    return float(at) if isinstance(at, (int, float)) else 0.0
