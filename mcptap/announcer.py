"""When a client hears what the server said outside any request: at its place, and in the recorded order.

Pure decisions over the timelines of a recording (`mcptap.cassette.timeline`). The rule, for each recorded
session that a client session is answered from:

- A message is due once what it follows has happened: a request came or had its outcome, or the client
  said something. Each is said once.
- It waits for the earlier ones that are due, and for those that will be: those that follow the outcome of
  a request in flight. One that follows a request which the client doesn't make is never waited for.
- An outcome waits for the messages that are due and came before it in the recording, server requests with
  the client's answer. What was said while its request was in flight is due by then at the latest.

Whatever waits here waits for something earlier in one recorded session, so nothing waits for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from mcptap.cassette.index import Entry, MessageEntry
from mcptap.cassette.timeline import Placed, Span, Timeline
from mcptap.matching.miss import Miss

Remark: TypeAlias = Placed[MessageEntry]
Timelines: TypeAlias = Mapping[int, Timeline[Entry, MessageEntry]]


@dataclass(slots=True)
class _Session:
    """How far the replay of one recorded session has come."""

    timeline: Timeline[Entry, MessageEntry]
    unsaid: list[Remark]
    reached: set[int] = field(default_factory=lambda: {0})
    in_flight: Counter[Entry] = field(default_factory=Counter)
    open: list[Remark] = field(default_factory=list)
    misses: list[tuple[Remark, Miss]] = field(default_factory=list)

    def coming(self, remark: Remark) -> bool:
        """Whether it will be due by itself: it follows the outcome of a request in flight."""
        return any(
            span.ends and span.ended == remark.follows
            for span in (self.timeline.spans[entry] for entry in self.in_flight)
        )

    def next(self) -> Remark | None:
        for position, remark in enumerate(self.unsaid):
            if remark.follows in self.reached:
                if any(each.done < remark.told for each in self.open):
                    return None
                self.open.append(remark)
                return self.unsaid.pop(position)
            if self.coming(remark):
                return None
        return None

    def holds(self, span: Span) -> bool:
        held = any(remark.done < span.ended for remark in self.open)
        for remark in self.unsaid:
            if remark.told > span.ended:
                break
            if remark.told > span.arrived:
                if not self.coming(remark):
                    self.reached.add(remark.follows)
                held = True
            held = held or remark.follows in self.reached
        return held


class Announcer:
    """Decides what one client session hears outside its requests, and when.

    Args:
        timelines: Those of the recording.
    """

    def __init__(self, timelines: Timelines) -> None:
        self._timelines = timelines
        self._sessions: dict[int, _Session] = {}

    def arrived(self, entry: Entry) -> None:
        """Learn that a request came which is answered from ``entry``."""
        if (session := self._session(entry.session)) is not None:
            session.in_flight[entry] += 1
            session.reached.add(session.timeline.spans[entry].arrived)

    def holds(self, entry: Entry) -> bool:
        """Whether the outcome of a request has to wait for what is to be said before it."""
        session = self._session(entry.session)
        return session is not None and session.holds(session.timeline.spans[entry])

    def miss(self, entry: Entry) -> Miss | None:
        """Why a request can't have its outcome: the client has answered otherwise meanwhile."""
        session = self._session(entry.session)
        if session is None:
            return None
        span = session.timeline.spans[entry]
        inside = (
            miss for remark, miss in session.misses if span.arrived < remark.told and remark.done < span.ended
        )
        return next(inside, None)

    def ended(self, entry: Entry) -> None:
        """Learn that a request has its outcome, or was given up."""
        if (session := self._session(entry.session)) is not None:
            session.in_flight -= Counter({entry: 1})
            session.reached.add(session.timeline.spans[entry].ended)

    def heard(self, entry: MessageEntry) -> None:
        """Learn that the client said outside any request what it said in ``entry``."""
        if (session := self._session(entry.session)) is not None:
            session.reached.add(session.timeline.heard[entry])

    def next(self) -> Remark | None:
        """What is to be said now; tell `done` when it is over. ``None`` if there is nothing."""
        found = (session.next() for session in self._sessions.values())
        return next((remark for remark in found if remark is not None), None)

    def done(self, remark: Remark, miss: Miss | None = None) -> None:
        """Learn that something was said, or answered.

        Args:
            remark: What `next` has given.
            miss: Says that the client answered otherwise than it did in the recording.
        """
        session = self._sessions[remark.entry.session]
        session.open.remove(remark)
        if miss is not None:
            session.misses.append((remark, miss))

    def _session(self, number: int) -> _Session | None:
        session = self._sessions.get(number)
        if session is None and (timeline := self._timelines.get(number)) is not None:
            session = self._sessions[number] = _Session(timeline, list(timeline.placed))
        return session
