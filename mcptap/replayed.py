"""Cassettes, read through once, with what answers from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcptap.cassette.index import CassetteIndex
from mcptap.cassette.reader import Cassette
from mcptap.matching.canonical import capabilities_of
from mcptap.matching.rules import ORDINARY, Matching
from mcptap.player import Player, Repeats
from mcptap.redaction.header import redactors_of


@dataclass(frozen=True, slots=True)
class Replayed:
    """Cassettes, and what answers from them: several taps may share it. `replayed` makes it."""

    cassettes: tuple[Cassette, ...]
    player: Player
    timing: float = 0.0


def replayed(
    cassettes: Sequence[Cassette],
    report: Callable[[str], None],
    *,
    matching: Matching = ORDINARY,
    repeats: Repeats = "last",
    timing: float = 0.0,
) -> Replayed:
    """Read cassettes through, so that requests can be answered from them.

    Args:
        cassettes: The cassettes.
        report: Told of torn ends.
        matching: When a request is a recorded one.
        repeats: What a request gets that is made more often than it was recorded.
        timing: How many times the recorded delays it takes to answer.

    Raises:
        CassetteError: One of them is damaged.
    """
    index = CassetteIndex.of(cassettes, matching.key_of, capabilities_of)
    for each in cassettes:
        if each.torn_bytes:
            report(f"the torn end of {each.path} was ignored ({each.torn_bytes} bytes)")
    redactors = redactors_of(each.header for each in cassettes)
    return Replayed(tuple(cassettes), Player(index, redactors, matching, repeats), timing)
