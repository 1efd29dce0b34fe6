"""The order of recorded sessions, and how far a live one that keeps to it has come (``--match sequence``).

A live session has to go the way of one recorded session. As long as several begin alike it may still be any
of them. What repeats for ever (`mcptap.protocol.REPEATING`) is in no order: a client library asks for it
when it likes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from mcptap.cassette.index import Entry
from mcptap.model import Era
from mcptap.protocol import REPEATING


class RecordedOrder:
    """The requests of each recorded session, in order.

    Args:
        entries: Every recorded request, in recorded order.

    Attributes:
        sessions: The same by session; those without any that has an order are left out.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        by_session = defaultdict[int, list[Entry]](list)
        for entry in entries:
            if entry.method not in REPEATING:
                by_session[entry.session].append(entry)
        self.sessions = list(by_session.values())


class SessionOrder:
    """The way of one live session.

    Args:
        recorded: The recorded sessions.
        cycle: Whether a session that is over begins anew.
    """

    def __init__(self, recorded: RecordedOrder, *, cycle: bool) -> None:
        self._cycle = cycle
        self._possible = recorded.sessions
        self._place = 0

    def advance(self, keys: Collection[bytes]) -> Entry | None:
        """Go on by one request; ``None`` where it isn't next in any of the sessions that it may be.

        Args:
            keys: The keys that the request may have been recorded by.
        """
        agreeing = [
            entries
            for entries in self._possible
            if (entry := self._next(entries)) is not None and entry.key in keys
        ]
        if not agreeing:
            return None
        entry = self._next(agreeing[0])
        self._possible = agreeing
        self._place += 1
        return entry

    def expected(self, era: Era) -> Entry | None:
        """What is next in the first of those sessions, of an era; ``None`` where they are over."""
        coming = map(self._next, self._possible)
        return next((entry for entry in coming if entry is not None and entry.era == era), None)

    def _next(self, entries: list[Entry]) -> Entry | None:
        place = self._place % len(entries) if self._cycle else self._place
        return entries[place] if place < len(entries) else None
