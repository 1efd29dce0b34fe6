"""Which recorded requests are the pages of one listing, and what clients said between requests."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Protocol

from mcptap.cassette.index import Entry, MessageEntry
from mcptap.codec import dumps
from mcptap.comparing.listings import KINDS, NEXT_CURSOR
from mcptap.matching.nearest import ABSENT
from mcptap.model import Interaction, Message


class Recording(Protocol):
    """What is needed of a cassette (`mcptap.cassette.index.CassetteIndex`), in recorded order."""

    @property
    def entries(self) -> Sequence[Entry]:
        """Every recorded request."""

    @property
    def messages(self) -> Sequence[MessageEntry]:
        """What was said outside any request."""

    def read(self, entry: Entry, /) -> Interaction:
        """The whole interaction of a recorded request."""

    def read_message(self, entry: MessageEntry, /) -> Message:
        """The whole of what was said outside any request."""


class ListingChains:
    """Ties the pages of each listing together, as interactions are added in recorded order.

    Attributes:
        heads: The ``seq`` of the first page, for every page after the first.
    """

    def __init__(self) -> None:
        self.heads: dict[int, int] = {}
        self._pages: dict[Entry, list[Entry]] = {}
        self._complete: set[Entry] = set()
        self._latest: dict[tuple[int, str], tuple[Entry, bytes | None]] = {}

    def add(self, entry: Entry, interaction: Interaction) -> None:
        """Take the next interaction of the recording."""
        if entry.method not in KINDS or interaction.result is None:
            return
        listing = entry.session, entry.method
        cursor = _text((interaction.params or {}).get("cursor", ABSENT))
        head, awaited = self._latest.get(listing, (entry, None))
        if cursor is None:
            head = entry
            self._pages[entry] = [entry]
        elif cursor == awaited:
            self._pages[head].append(entry)
            self.heads[entry.seq] = head.seq
        else:
            return
        following = _text(interaction.result.get(NEXT_CURSOR, ABSENT))
        self._latest[listing] = head, following
        if following is None:
            self._complete.add(head)

    def pages(self, entry: Entry) -> tuple[Entry, ...]:
        """All pages of the listing that begins with a request; none where it begins none."""
        return tuple(self._pages.get(entry, ()))

    def is_complete(self, entry: Entry) -> bool:
        """Whether the client has gone on to the end of the listing that begins with a request."""
        return entry in self._complete


def client_messages(recording: Recording) -> Mapping[Entry, Sequence[MessageEntry]]:
    """What clients have said outside requests, by the request before which it is to be said.

    A line stands where something was over: what was said before a request ended is said before it is
    made. Of what was said after the last request no answer tells.
    """
    by_session = defaultdict[int, list[Entry]](list)
    for entry in recording.entries:
        by_session[entry.session].append(entry)
    ends = {
        session: list(accumulate((entry.offsets[-1] for entry in entries), max))
        for session, entries in by_session.items()
    }
    before = defaultdict[Entry, list[MessageEntry]](list)
    for message in recording.messages:
        if message.source == "client":
            place = bisect_right(ends.get(message.session, []), message.offset)
            if place < len(by_session[message.session]):
                before[by_session[message.session][place]].append(message)
    return before


def _text(cursor: Any) -> bytes | None:
    """A cursor as text; ``None`` where there is none."""
    return None if cursor is ABSENT or cursor is None else dumps(cursor)
