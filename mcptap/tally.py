"""How a replay went: what was played, what again, what was missed, and what nobody asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from mcptap.cassette.index import Entry
from mcptap.protocol import REPEATING
from mcptap.task_stages import TaskLife
from mcptap.variants import Group


@dataclass(frozen=True, slots=True)
class Summary:
    """How a replay went.

    Attributes:
        played: Requests with an answer, repeats among them; refusals are not.
        repeated: How many of those got an answer again because there was no further one.
        missed: Requests, and clients' answers to server requests, that the cassette doesn't have.
        unused: Recorded requests that no client made.
        forwarded: Requests that the cassette doesn't have, and the real server was asked instead.
    """

    played: int
    repeated: int
    missed: int
    unused: int
    forwarded: int = 0

    def sentence(self) -> str:
        """The summary in one line for a person."""
        said = f"played {self.played}, repeated {self.repeated}, missed {self.missed}, unused {self.unused}"
        return f"{said}, forwarded {self.forwarded}" if self.forwarded else said


@dataclass(slots=True)
class Tally:
    """What all the client sessions of a replay count together."""

    played: int = 0
    repeated: int = 0
    missed: int = 0
    forwarded: int = 0
    used: set[Entry] = field(default_factory=set)
    keys: set[bytes] = field(default_factory=set)  # of what is used
    reached: dict[Group, int] = field(default_factory=dict)  # how often one session has asked at most
    lives: dict[str, TaskLife] = field(default_factory=dict)  # the latest of every task

    def unused(self, entries: Iterable[Entry]) -> list[Entry]:
        """The recorded requests that no client made, in the order of recording.

        Each live session begins at the beginning (rule 2), so where several recorded sessions made the
        same request, the answers of the later ones may never be given. So a request is used if it was
        played, or if some live session made it as often as its own recorded session had by then: the
        n-th in its session is used once a live session has made it n times. What repeats for ever is
        used as soon as one of its answers was asked for.
        """
        made = Counter[tuple[int, bytes, bytes]]()
        unused = []
        for entry in entries:
            made[entry.session, entry.key, entry.variant] += 1
            times = made[entry.session, entry.key, entry.variant]
            if not (
                entry in self.used
                or times <= self.reached.get((entry.key, entry.variant), 0)
                or (entry.method in REPEATING and entry.key in self.keys)
            ):
                unused.append(entry)
        return unused
