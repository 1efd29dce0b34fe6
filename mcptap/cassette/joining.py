"""Lines into records: an interaction that was split over several lines becomes one again.

A request that is still open after a while is written as it goes on (``begin``, ``event`` …, ``end``),
so that it isn't lost with the process; nobody who reads a cassette should have to know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import NamedTuple

from mcptap.cassette import members, parsing
from mcptap.model import Event, Interaction, Json, Record


class Joined(NamedTuple):
    """A record, and where (bytes) the lines that it was made from stand in the file."""

    offsets: tuple[int, ...]
    record: Record


@dataclass(slots=True)
class _Open:
    request: Interaction
    offsets: list[int]
    events: list[Event] = field(default_factory=list)

    def sorted_events(self) -> list[Event]:
        # Lines are in the order of writing; the events of parallel tasks may have overtaken each other.
        return sorted(self.events, key=attrgetter("at_ms"))


class Joiner:
    """Takes the lines of one cassette after its header, in order, and gives its records."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}

    def add(self, offset: int, line: Json) -> Joined | None:
        """Take one line; give the record that it completes, if it does.

        A line of an unknown kind is passed over, and so is an ``event`` or an ``end`` whose ``begin``
        is not there: a gap has it.

        Raises:
            ValueError: The line doesn't say what a line of its kind must.
        """
        match members.text(line, "kind"):
            case "interaction":
                return Joined((offset,), parsing.parse_interaction(line))
            case "session":
                return Joined((offset,), parsing.parse_session(line))
            case "message":
                return Joined((offset,), parsing.parse_message(line))
            case "gap":
                return Joined((offset,), parsing.parse_gap(line))
            case "begin":
                self._begin(offset, line)
            case "event":
                if begun := self._open.get(members.whole_number(line, "seq")):
                    begun.offsets.append(offset)
                    begun.events.append(parsing.parse_event(line))
            case "end":
                if begun := self._open.pop(members.whole_number(line, "seq"), None):
                    record = parsing.parse_end(line, begun.request, begun.sorted_events())
                    return Joined((*begun.offsets, offset), record)
        return None

    def so_far(self, seq: int) -> Interaction | None:
        """A request that has begun and not ended, with its events so far; its outcome is ``unanswered``."""
        begun = self._open.get(seq)
        return replace(begun.request, events=tuple(begun.sorted_events())) if begun else None

    def unanswered(self) -> Iterator[Joined]:
        """The requests without an end, by their ``seq``: after the last line they are unanswered."""
        for _, begun in sorted(self._open.items()):
            record = replace(begun.request, events=tuple(begun.sorted_events()))
            yield Joined(tuple(begun.offsets), record)

    def _begin(self, offset: int, line: Json) -> None:
        request = parsing.parse_begin(line)
        if request.seq in self._open:
            raise ValueError(f"request {request.seq} has begun already")
        self._open[request.seq] = _Open(request, [offset])
