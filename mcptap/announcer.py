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

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Mapping
from heapq import heappop, heappush
from operator import attrgetter
from typing import TypeAlias

from mcptap.cassette.index import Entry, MessageEntry
from mcptap.cassette.timeline import Placed, Span, Timeline
from mcptap.matching.miss import Miss

Remark: TypeAlias = Placed[MessageEntry]
Timelines: TypeAlias = Mapping[int, Timeline[Entry, MessageEntry]]


class _Session:
    """How far the replay of one recorded session has come."""

    def __init__(self, timeline: Timeline[Entry, MessageEntry]) -> None:
        self.timeline = timeline
        self.in_flight = Counter[Entry]()
        self.open: list[Remark] = []
        self.misses: list[tuple[Remark, Miss]] = []
        self._due: list[tuple[int, Remark]] = []  # a heap, by when they were said
        self._following = defaultdict[int, list[Remark]](list)  # those not yet due
        for remark in timeline.placed:
            self._following[remark.follows].append(remark)
        self.reach(0)

    def reach(self, moment: int) -> None:
        """Learn that a moment of the recording has come again."""
        for remark in self._following.pop(moment, ()):
            heappush(self._due, (remark.told, remark))

    def next(self) -> Remark | None:
        """What is to be said now, if there is anything."""
        if not self._due:
            return None
        told, remark = self._due[0]
        coming = (self._following[moment][0].told for moment in self._coming())
        if any(each < told for each in coming) or any(each.done < told for each in self.open):
            return None
        heappop(self._due)
        self.open.append(remark)
        return remark

    def holds(self, span: Span) -> bool:
        """Whether an outcome has to wait; what was said while its request was in flight is due now."""
        placed = self.timeline.placed
        first, last = (bisect(placed, moment, key=attrgetter("told")) for moment in span[:2])
        inside = {remark.follows for remark in placed[first:last]} & self._following.keys()
        coming = self._coming()
        for moment in inside - coming:
            self.reach(moment)
        return bool(
            inside & coming
            or (self._due and self._due[0][0] < span.ended)
            or any(remark.done < span.ended for remark in self.open)
        )

    def _coming(self) -> set[int]:
        """The ends of requests in flight, which come by themselves, where something is to be said then."""
        spans = (self.timeline.spans[entry] for entry in self.in_flight)
        return {span.ended for span in spans if span.ends and span.ended in self._following}


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
            session.reach(session.timeline.spans[entry].arrived)

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
            session.reach(session.timeline.spans[entry].ended)

    def heard(self, entry: MessageEntry) -> None:
        """Learn that the client said outside any request what it said in ``entry``."""
        if (session := self._session(entry.session)) is not None:
            session.reach(session.timeline.heard[entry])

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
            session = self._sessions[number] = _Session(timeline)
        return session
