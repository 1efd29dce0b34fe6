"""A cassette without what differs between two recordings of the same session.

Lines are put in the order of the requests' arrival, an interaction that was written as it went on
becomes one line, times become nothing, and ids that were made up are numbered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from mcptap.cassette.format import Line, gap_line, interaction_line, message_line, session_line
from mcptap.cassette.reader import Cassette, open_cassette
from mcptap.cassette.rewriting import rewrite
from mcptap.cassette.volatile import Volatile
from mcptap.codec import dumps
from mcptap.model import CassetteHeader, Event, Gap, Interaction, Message, Record, SessionStart

EPOCH: Final = "1970-01-01T00:00:00.000Z"
"""The ``recorded_at`` of a normalized cassette, which has no times."""

_ID_BYTES: Final = 16

_Spoken = TypeVar("_Spoken", Event, Message)


def normalize(path: Path) -> None:
    """Normalize a cassette in its place.

    Raises:
        CassetteError: It is locked or damaged, or can't be written.
        RecordingError: A line can't be written; the cassette stays as it was.
    """
    cassette = open_cassette(path)
    rewrite(path, normalized_header(cassette.header), map(dumps, normalized(cassette)))


def normalized_header(header: CassetteHeader) -> CassetteHeader:
    """The header without its time, and with an id that is the same for all recordings of a server."""
    name = header.upstream.name if header.upstream else ""
    known = blake2b(name.encode(), digest_size=_ID_BYTES, person=b"mcptap-id").hexdigest()
    return replace(header, id=known, recorded_at=EPOCH)


def normalized(cassette: Cassette) -> Iterator[Line]:
    """Every line after the header, normalized; their bodies are read again, one at a time.

    Raises:
        CassetteError: The cassette is damaged.
    """
    volatile = Volatile()
    places = _ordered(cassette, volatile)
    began = cassette.recorded_at()
    for place in places:
        record = cassette.record_at(place.offsets)
        yield _line(record, began, volatile)


class _Place(NamedTuple):
    """Where a record belongs: after which request, and in which order there."""

    seq: int
    rank: int
    offsets: tuple[int, ...]


def _ordered(cassette: Cassette, volatile: Volatile) -> list[_Place]:
    """The places of all records, by the order of requests; what was said in between stays where it was.

    What a server says outside any request is played after the line before it in its session, so it
    moves with that. The opening of a session goes before its first request.
    """
    latest: dict[int | None, int] = {}
    first_seq: dict[int, int] = {}
    found: list[tuple[int | None, int | None, int, tuple[int, ...]]] = []
    for rank, (offsets, record) in enumerate(cassette.joined(), 1):
        _hear(record, volatile)
        if isinstance(record, Interaction):
            first_seq[record.session] = min(record.seq, first_seq.get(record.session, record.seq))
            latest[record.session] = latest[None] = record.seq
            found.append((record.seq, record.session, 0, offsets))
        else:
            session = None if isinstance(record, Gap) else record.session
            found.append((latest.get(session), session, rank, offsets))
    # What comes before any request of its session stands just before the first.
    return sorted(
        _Place(first_seq.get(session or 0, 0) - 1 if seq is None else seq, rank, offsets)
        for seq, session, rank, offsets in found
    )


def _hear(record: Record, volatile: Volatile) -> None:
    match record:
        case Interaction():
            volatile.hear(record.params)
            for event in record.events:
                _hear_spoken(event, volatile)
        case Message():
            _hear_spoken(record, volatile)


def _hear_spoken(spoken: Event | Message, volatile: Volatile) -> None:
    if spoken.source == "client":
        volatile.hear(spoken.params)
    else:
        volatile.hear([spoken.result, spoken.error])


def _line(record: Record, began: datetime, volatile: Volatile) -> Line:
    at = began + timedelta(seconds=record.at)
    match record:
        case SessionStart():
            return session_line(replace(record, at=0.0, started_at=None))
        case Gap():
            return gap_line(replace(record, at=0.0))
        case Message():
            return message_line(_spoken(replace(record, at=0.0), volatile, (at, at)))
        case Interaction():
            took = timedelta(milliseconds=(record.ms or 0.0) + (record.proxy_ms or 0.0))
            when = at, at + took
            events = [[event.params, event.result, event.error] for event in record.events]
            volatile.number([record.params, events, record.result, record.error])
            params = volatile.renamed(record.params, when)
            played = tuple(_spoken(replace(event, at_ms=0.0), volatile, when) for event in record.events)
            return interaction_line(
                replace(
                    record,
                    at=0.0,
                    ms=None,
                    proxy_ms=None,
                    params=params,
                    events=played,
                    result=volatile.renamed(record.result, when),
                    error=volatile.renamed(record.error, when),
                    trace_id=None,
                    span_id=None,
                )
            )


def _spoken(spoken: _Spoken, volatile: Volatile, when: tuple[datetime, datetime]) -> _Spoken:
    def renamed(value: Any) -> Any:
        return volatile.renamed(value, when)

    return replace(
        spoken,
        ms=None,
        params=renamed(spoken.params),
        result=renamed(spoken.result),
        error=renamed(spoken.error),
    )
