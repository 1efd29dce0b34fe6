"""What servers asked when they were recorded, and what their clients answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mcptap.model import Event, Interaction, Message

_ROOTS: Final = "roots/list"


@dataclass(slots=True, eq=False)
class Question:
    """A recorded server request with its answer.

    Attributes:
        seq: The interaction that it was asked in; ``None`` outside of any.
        event: The request and its answer.
        asked: Whether it has been asked again.
    """

    seq: int | None
    event: Event
    asked: bool = False


class Questions:
    """The recorded server requests of one session."""

    def __init__(self) -> None:
        self._questions: list[Question] = []

    def add(self, record: Interaction | Message) -> None:
        """Take what was asked in an interaction, or outside of any."""
        if isinstance(record, Interaction):
            self._questions += (Question(record.seq, event) for event in record.events if event.asked)
        elif record.asked:
            event = Event(0.0, "server", record.method, record.params, record.result, record.error)
            self._questions.append(Question(None, event))

    def find(self, seq: int | None, method: str) -> Question | None:
        """The recorded request that a live one is: the next in the same interaction, or outside of any.

        A client's roots are its own matter, wherever they are asked for, and however often.
        """
        possible = [question for question in self._questions if question.event.method == method]
        if method == _ROOTS:
            return next((each for each in possible if not each.asked), possible[-1] if possible else None)
        possible = [each for each in possible if not each.asked and each.seq in (seq, None)]
        return min(possible, key=lambda each: each.seq is None, default=None)

    def not_asked(self, seq: int) -> Iterator[Question]:
        """What was asked in an interaction when it was recorded, and hasn't been now."""
        for question in self._questions:
            if question.seq == seq and not question.asked and question.event.method != _ROOTS:
                yield question
