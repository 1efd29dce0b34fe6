"""What a recording says besides its answers: what its clients could do, and which eras its server speaks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from mcptap.cassette.index import Entry
from mcptap.matching.canonical import capabilities_of
from mcptap.model import Era, Interaction, Json

Group: TypeAlias = tuple[bytes, bytes | None]
"""The recorded requests of one key and one variant; ``None`` for those of all variants."""


class Requests(Protocol):
    """What is needed of a recording (`mcptap.cassette.index.CassetteIndex`)."""

    @property
    def entries(self) -> Sequence[Entry]:
        """Every recorded request."""

    @property
    def by_key(self) -> Mapping[bytes, Sequence[Entry]]:
        """The recorded requests that ask for the same."""

    def read(self, entry: Entry, /) -> Interaction:
        """The whole interaction of a recorded request."""


class Variants:
    """Tells apart, among the requests of one key, what clients of different capabilities asked.

    Args:
        recording: The recording.
    """

    def __init__(self, recording: Requests) -> None:
        self._recording = recording
        self._known: dict[bytes, Mapping[bytes, Sequence[Entry]]] = {}

    def like(self, key: bytes, params: Json | None) -> tuple[Group, Sequence[Entry]]:
        """The recorded requests of a key whose client could do the same; all where there is none such."""
        variants = self._known.get(key)
        if variants is None:
            variants = self._known[key] = self._split(key)
        variant = capabilities_of(params)
        if variant in variants:
            return (key, variant), variants[variant]
        return (key, None), self._recording.by_key[key]

    def _split(self, key: bytes) -> Mapping[bytes, Sequence[Entry]]:
        variants = defaultdict[bytes, list[Entry]](list)
        for entry in self._recording.by_key[key]:
            variants[entry.variant].append(entry)
        return dict(variants)


def spoken_in(recording: Requests) -> frozenset[Era]:
    """The eras that the recorded server speaks: those in which it gave a result.

    A probe that failed is no sign of an era, and a recording without any result says nothing.
    """
    spoken: set[Era] = set()
    for entry in recording.entries:
        if entry.era not in spoken and recording.read(entry).result is not None:
            spoken.add(entry.era)
    return frozenset(spoken)
