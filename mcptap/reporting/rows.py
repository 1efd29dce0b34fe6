"""What the page's table shows of an interaction, without its bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias

from mcptap import codec
from mcptap.matching.excerpt import printable
from mcptap.model import Interaction, Json
from mcptap.protocol import outcome_of, target_of

_MOST_CHARACTERS: Final = 200

Mark: TypeAlias = Literal["", "same", "changed", "new", "gone"]
"""How an interaction compares with the other recording; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table.

    Attributes:
        id: Its number in the page, from 0.
        seq: The interaction's number in the recording.
        session: Of which client session.
        at: When the request arrived (seconds since the header).
        ms: How long the upstream took.
        proxy_ms: mcptap's own time.
        method: Of the request.
        target: What it is about: a tool's name, a resource's URI.
        outcome: How it ended, in a word or two; ``pending`` while it hasn't.
        failed: 2 where that is an error, 1 where the client gave up, 0 where all went well.
        size: Of its answer as compact JSON (bytes), as ``mcptap stats`` has it.
        events: How many there are.
        note: What an error says, shortened.
        mark: How it compares with the other recording, and
        was: the ``ms`` that it took there.
    """

    id: int
    seq: int
    session: int
    at: float
    ms: float | None
    proxy_ms: float | None
    method: str
    target: str
    outcome: str
    failed: int
    size: int
    events: int
    note: str
    mark: Mark = ""
    was: float | None = None

    def cells(self) -> tuple[Any, ...]:
        """The values in the order of `COLUMNS`, as JSON has them."""
        cells: tuple[Any, ...] = _cells(self)
        return cells


COLUMNS: Final = tuple(field.name for field in fields(Row))
"""The names of a row's members, in the order of `Row.cells`."""

_cells: Final = attrgetter(*COLUMNS)


def row_of(number: int, interaction: Interaction, *, pending: bool = False) -> Row:
    """The row of an interaction.

    Args:
        number: Its number in the page.
        interaction: What was recorded.
        pending: Whether it has no outcome yet.
    """
    outcome = "pending" if pending else outcome_of(interaction)
    answer = interaction.error if interaction.result is None else interaction.result
    return Row(
        id=number,
        seq=interaction.seq,
        session=interaction.session,
        at=interaction.at,
        ms=interaction.ms,
        proxy_ms=interaction.proxy_ms,
        method=_readable(interaction.method),
        target=_readable(target_of(interaction.method, interaction.params) or ""),
        outcome=_readable(outcome),
        failed=_failed(interaction, outcome),
        size=0 if answer is None else len(codec.dumps(answer)),
        events=len(interaction.events),
        note=_note(interaction),
    )


def _failed(interaction: Interaction, outcome: str) -> int:
    if interaction.error is not None or outcome in {"tool error", "unanswered"}:
        return 2
    return int(outcome in {"cancelled", "disconnected"})


def _note(interaction: Interaction) -> str:
    if interaction.error is not None:
        return _readable(str(interaction.error.get("message", "")))
    result: Json = interaction.result or {}
    content = result.get("content")
    if result.get("isError") is True and isinstance(content, list):
        texts = (item.get("text") for item in content if isinstance(item, Mapping))
        return _readable(next((text for text in texts if isinstance(text, str)), ""))
    return ""


def _readable(text: str) -> str:
    """``text`` for people: short, and with nothing in it that can't be shown."""
    return printable(text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…")
