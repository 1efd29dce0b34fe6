"""Finding interactions by what was asked for, without keeping their bodies in memory."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TypeAlias

from mcptap.cassette.reader import Cassette
from mcptap.cassette.timeline import Timeline, TimelineBuilder
from mcptap.model import Era, Gap, Interaction, Json, Message, SessionStart, Side
from mcptap.protocol import era_of

KeyOf: TypeAlias = Callable[[Era, str, Json | None], bytes]
"""Gives the key of a request from its era, method and params (CASSETTE.md, "Matching", rule 1)."""


VariantOf: TypeAlias = Callable[[Json | None], bytes]
"""Gives, in a few bytes, what a request's params say besides what is asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An interaction, and where its lines stand.

    ``seq`` is the one in its cassette, which is number ``file`` (from 0) of the index; ``session`` is
    the index's own. ``variant`` tells apart what asks for the same but may be answered otherwise.
    """

    seq: int
    session: int
    era: Era
    method: str
    key: bytes
    offsets: tuple[int, ...]
    file: int = 0
    variant: bytes = b""


@dataclass(frozen=True, slots=True)
class MessageEntry:
    """A message outside any request, and where its line stands; ``at`` is in seconds.

    ``key`` is that of its method and params, as for a request.
    """

    session: int
    at: float
    offset: int
    file: int = 0
    source: Side = "server"
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class CassetteIndex:
    """What several cassettes hold, as if they were one; made by `of`.

    Interactions are in the order of the cassettes, and by ``seq`` within each. So that the sessions of
    different cassettes stay distinct, those of the second and later ones have other numbers here than
    in the file.

    Attributes:
        cassettes: The cassettes.
        entries: Every interaction.
        by_key: The interactions with the same key.
        by_method: The interactions with the same method.
        sessions: Every client session.
        eras: The eras that were recorded.
        messages: What was said outside any request, in the order of the files.
        said: What clients said so, by key.
        timelines: When servers said so, for each session in which one did.
    """

    cassettes: tuple[Cassette, ...]
    entries: tuple[Entry, ...]
    by_key: Mapping[bytes, Sequence[Entry]]
    by_method: Mapping[str, Sequence[Entry]]
    sessions: tuple[SessionStart, ...]
    eras: frozenset[Era]
    messages: tuple[MessageEntry, ...]
    said: Mapping[bytes, Sequence[MessageEntry]]
    timelines: Mapping[int, Timeline[Entry, MessageEntry]]

    @classmethod
    def of(
        cls, cassettes: Iterable[Cassette], key_of: KeyOf, variant_of: VariantOf = lambda _: b""
    ) -> CassetteIndex:
        """Read every cassette through once.

        Args:
            cassettes: The cassettes.
            key_of: Gives the key of a request.
            variant_of: Gives its variant.

        Raises:
            CassetteError: One of them is damaged.
        """
        builder = _Builder(key_of, variant_of)
        for cassette in cassettes:
            builder.add(cassette)
        return builder.built()

    def read(self, entry: Entry) -> Interaction:
        """The interaction of ``entry``, read from its cassette, with the session of the index.

        Raises:
            CassetteError: The cassette has been changed since.
        """
        cassette = self.cassettes[entry.file]
        record = cassette.record_at(entry.offsets)
        if not isinstance(record, Interaction) or record.seq != entry.seq:
            raise cassette.changed()
        return replace(record, session=entry.session)

    def read_message(self, entry: MessageEntry) -> Message:
        """The message of ``entry``, read like an interaction by `read`.

        Raises:
            CassetteError: The cassette has been changed since.
        """
        cassette = self.cassettes[entry.file]
        record = cassette.record_at((entry.offset,))
        if not isinstance(record, Message):
            raise cassette.changed()
        return replace(record, session=entry.session)


class _Builder:
    """Collects what `CassetteIndex.of` makes an index from."""

    def __init__(self, key_of: KeyOf, variant_of: VariantOf) -> None:
        self._key_of = key_of
        self._variant_of = variant_of
        self._cassettes: list[Cassette] = []
        self._entries: list[Entry] = []
        self._messages: list[MessageEntry] = []
        self._eras: dict[int, Era] = {}
        self._sessions: list[SessionStart] = []
        self._said = defaultdict[bytes, list[MessageEntry]](list)
        self._timelines = defaultdict[int, TimelineBuilder[Entry, MessageEntry]](TimelineBuilder)
        self._highest_session = -1

    def add(self, cassette: Cassette) -> None:
        """Read one cassette through."""
        file = len(self._cassettes)
        self._cassettes.append(cassette)
        # The first cassette keeps its numbers: mostly there is only one.
        before = self._highest_session + 1 if file else 0
        for offsets, record in cassette.joined():
            if isinstance(record, Gap):
                continue
            session = before + record.session
            self._highest_session = max(self._highest_session, session)
            match record:
                case SessionStart():
                    self._eras[session] = record.era
                    self._sessions.append(replace(record, session=session))
                case Message():
                    self._add_message(record, session, offsets[0], file)
                case Interaction():
                    entry = self._entry(record, session, offsets, file)
                    self._entries.append(entry)
                    self._timelines[session].add_request(entry, record)

    def _add_message(self, message: Message, session: int, offset: int, file: int) -> None:
        key = self._key_of(self._eras.get(session, "handshake"), message.method, message.params)
        entry = MessageEntry(session, message.at, offset, file, message.source, key)
        self._messages.append(entry)
        self._timelines[session].add_message(entry, message)
        if message.source == "client":
            self._said[key].append(entry)

    def _entry(self, interaction: Interaction, session: int, offsets: tuple[int, ...], file: int) -> Entry:
        method = sys.intern(interaction.method)
        params = interaction.params
        # The line of the session may be lost in a gap; the request itself says which era it is of.
        era = self._eras.get(session) or era_of(method, params)
        key = self._key_of(era, method, params)
        variant = self._variant_of(params)
        return Entry(interaction.seq, session, era, method, key, offsets, file, variant)

    def built(self) -> CassetteIndex:
        """The index of everything that was added."""
        # Lines are in the order of completion, seq is in the order of arrival.
        entries = sorted(self._entries, key=attrgetter("file", "seq"))
        by_key = defaultdict[bytes, list[Entry]](list)
        by_method = defaultdict[str, list[Entry]](list)
        for entry in entries:
            by_key[entry.key].append(entry)
            by_method[entry.method].append(entry)
        built = ((session, builder.built()) for session, builder in self._timelines.items())
        timelines = {session: timeline for session, timeline in built if timeline is not None}
        return CassetteIndex(
            cassettes=tuple(self._cassettes),
            entries=tuple(entries),
            by_key=dict(by_key),
            by_method=dict(by_method),
            sessions=tuple(self._sessions),
            eras=frozenset(self._eras.values()) | {entry.era for entry in entries},
            messages=tuple(self._messages),
            said=dict(self._said),
            timelines=timelines,
        )
