"""What was answered live, held against what was answered from the cassette. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcptap import codec
from mcptap.demo.script import Script, Step
from mcptap.demo.session import Answer
from mcptap.matching.nearest import Difference, difference


@dataclass(frozen=True, slots=True)
class Row:
    """One request with both its answers.

    Attributes:
        step: What was asked.
        live: What the server answered.
        replayed: What the cassette answered.
        same: Whether they are the same, to the spelling: every event, every field, in the same order.
        differences: The fields that aren't; none where only their order or spelling differs.
    """

    step: Step
    live: Answer
    replayed: Answer
    same: bool
    differences: tuple[Difference, ...]


def compare(script: Script, live: Sequence[Answer], replayed: Sequence[Answer]) -> list[Row]:
    """Hold two sessions of one script against each other, request by request.

    Raises:
        ValueError: One of them doesn't have an answer to each request of the script.
    """
    return [
        _row(step, first, second) for step, first, second in zip(script.steps, live, replayed, strict=True)
    ]


def _row(step: Step, live: Answer, replayed: Answer) -> Row:
    left, right = live.as_json(), replayed.as_json()
    if codec.dumps(left) == codec.dumps(right):
        return Row(step, live, replayed, True, ())
    return Row(step, live, replayed, False, difference(right, left))
