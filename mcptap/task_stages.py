"""How far the work on a task was when a client looked at it (CASSETTE.md, matching rule 4).

How often a client polls depends on the hour, what it polls doesn't: before it has cancelled a task, or
has given what the task waits for, no poll may tell of that; and afterwards none may tell of before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

from mcptap.cassette.index import Entry
from mcptap.model import Interaction, Json
from mcptap.protocol import TASK_ACTIONS, TASK_POLL

_ROUNDED: Final = 0.000_005
"""By how much the recorded times of two moments are off at most, together (seconds)."""


class Requests(Protocol):
    """What is needed of a recording (`mcptap.cassette.index.CassetteIndex`)."""

    @property
    def by_method(self) -> Mapping[str, Sequence[Entry]]:
        """The recorded requests of a method."""

    def read(self, entry: Entry, /) -> Interaction:
        """The whole interaction of a recorded request."""


@dataclass(slots=True)
class TaskLife:
    """How far a client has come with a task in a replay.

    Attributes:
        acted: How many requests about it have had their result.
        polled: How often it was polled at each stage.
    """

    acted: int = 0
    polled: Counter[int] = field(default_factory=Counter)


class TaskStages:
    """Numbers the recorded polls of every task by what the client had done about it before.

    Args:
        recording: It is read for this when the first task is polled.
    """

    def __init__(self, recording: Requests) -> None:
        self._recording = recording

    def of(self, poll: Entry) -> int:
        """How many requests about the task had their result before this poll of it arrived.

        Raises:
            CassetteError: The recording can't be read any more.
        """
        return self._stages[poll]

    @cached_property
    def _stages(self) -> Mapping[Entry, int]:
        actions = defaultdict[tuple[int, str], list[tuple[int, float]]](list)
        for entry, interaction in self._read(*TASK_ACTIONS):
            if (task := task_acted_on(interaction)) is not None:
                took = ((interaction.ms or 0.0) + (interaction.proxy_ms or 0.0)) / 1000
                actions[entry.file, task].append((entry.seq, interaction.at + took))
        # A normalized cassette has no times: there a request that was made earlier has ended earlier.
        return {
            poll: sum(
                seq < poll.seq and ended <= interaction.at + _ROUNDED
                for seq, ended in actions[poll.file, task_of(interaction.params)]
            )
            for poll, interaction in self._read(TASK_POLL)
        }

    def _read(self, *methods: str) -> Iterator[tuple[Entry, Interaction]]:
        for method in methods:
            for entry in self._recording.by_method.get(method, ()):
                yield entry, self._recording.read(entry)


def task_made_by(interaction: Interaction) -> str | None:
    """The id of the task that a request has started: in its result, or a member of that; else ``None``."""
    result = interaction.result or {}
    if interaction.method == TASK_POLL or interaction.method in TASK_ACTIONS:
        return None
    made = result.get("task") if isinstance(result.get("task"), dict) else result
    task = made.get("taskId") if isinstance(made, Mapping) else None
    return task if isinstance(task, str) else None


def task_acted_on(interaction: Interaction) -> str | None:
    """The id of the task that a request was about whose result may have changed it; else ``None``."""
    if interaction.method not in TASK_ACTIONS or interaction.result is None:
        return None
    return task_of(interaction.params)


def task_of(params: Json | None) -> str:
    """The id of the task that a request names."""
    return str((params or {}).get("taskId"))
