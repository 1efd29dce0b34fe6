"""A recording held against another one: which calls are the same, which changed, which are new or gone."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from mcptap import codec
from mcptap.cassette.format import interaction_line
from mcptap.cassette.parsing import parse_interaction
from mcptap.matching.canonical import key_of, without_volatile
from mcptap.matching.nearest import difference
from mcptap.model import Interaction
from mcptap.reporting.reading import Reading
from mcptap.reporting.rows import Row, row_of

# The era is no matter here: the same question in both is the same question.
_ANY_ERA: Final = "modern"


class Comparison:
    """The other recording, whose calls are taken up one by one.

    Two calls are the same request where they have the same key, and the first of one recording is held
    against the first of the other, the second against the second.

    Args:
        other: The recording to hold it against, which is read at once and kept compressed.

    Raises:
        CassetteError: It can't be read.
    """

    def __init__(self, other: Reading) -> None:
        self.other = other
        self._waiting: dict[bytes, deque[bytes]] = {}
        for record in other.records():
            if isinstance(record, Interaction):
                kept = zlib.compress(codec.dumps(interaction_line(record)), 1)
                self._waiting.setdefault(_key(record), deque()).append(kept)

    def compare(self, row: Row, interaction: Interaction) -> tuple[Row, dict[str, Any]]:
        """The row with its mark, and what the page shows beside the call."""
        found = self._waiting.get(_key(interaction))
        if not found:
            return replace(row, mark="new"), {}
        line = codec.loads(zlib.decompress(found.popleft()))
        was = parse_interaction(line)
        differences = difference(_ending(was), _ending(interaction))
        beside = {"against": line, "differences": [each.as_json() for each in differences]}
        return replace(row, mark="changed" if differences else "same", was=was.ms), beside

    def gone(self, first: int) -> Iterator[tuple[Row, dict[str, Any]]]:
        """The calls of the other recording that this one doesn't have; ``first`` numbers their rows."""
        lines = (codec.loads(zlib.decompress(kept)) for found in self._waiting.values() for kept in found)
        for number, line in enumerate(lines, first):
            row = row_of(number, parse_interaction(line))
            yield replace(row, mark="gone", session=0, was=row.ms, ms=None, proxy_ms=None), {"against": line}


def _key(interaction: Interaction) -> bytes:
    return key_of(_ANY_ERA, interaction.method, interaction.params)


def _ending(interaction: Interaction) -> dict[str, Any]:
    ending = {"error": interaction.error, "outcome": interaction.outcome}
    if interaction.result is not None:
        ending["result"] = without_volatile(interaction.result)
    return {name: value for name, value in ending.items() if value is not None}
