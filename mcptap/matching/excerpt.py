"""JSON values for people: cut to a readable size, with nothing in them that a terminal would act on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from mcptap.codec import dumps

_MOST_CHARACTERS: Final = 500
_MOST_MEMBERS: Final = 50
_MOST_LEVELS: Final = 6
_WIDTH: Final = 72
_LEAD: Final = 20  # characters shown before the place where two long strings part


def shortened(value: Any, *, levels: int = _MOST_LEVELS) -> Any:
    """Cut a JSON value to a size that suits an error: long strings, many members, deep nesting.

    What was left out is marked with ``…``. ``levels`` is how deep it goes.
    """
    if isinstance(value, str):
        return value if len(value) <= _MOST_CHARACTERS else value[:_MOST_CHARACTERS] + "…"
    if not isinstance(value, (Mapping, list, tuple)) or not value:
        return value
    if levels == 0:
        return "…"
    left_out = len(value) - _MOST_MEMBERS
    if isinstance(value, Mapping):
        members = {key: shortened(value[key], levels=levels - 1) for key in islice(value, _MOST_MEMBERS)}
        return members | {"…": f"{left_out} more"} if left_out > 0 else members
    elements = [shortened(element, levels=levels - 1) for element in value[:_MOST_MEMBERS]]
    return [*elements, f"… {left_out} more"] if left_out > 0 else elements


def printable(text: str) -> str:
    """``text`` with everything that a terminal might act on, or can't show, as an escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1] for character in text
    )


def one_line(value: Any, *, width: int = _WIDTH) -> str:
    """A JSON value in one line of at most ``width`` characters."""
    text = printable(dumps(shortened(value)).decode())
    return text if len(text) <= width else text[: width - 1] + "…"


def side_by_side(left: Any, right: Any, *, width: int = _WIDTH) -> tuple[str, str]:
    """Two JSON values in one line each; long strings from shortly before the place where they part."""
    if isinstance(left, str) and isinstance(right, str) and max(len(left), len(right)) > width - len('""'):
        skipped = shared_beginning(left, right) - min(_LEAD, width // 3)
        if skipped > 0:
            left, right = ("…" + text[skipped:] for text in (left, right))
    return one_line(left, width=width), one_line(right, width=width)


def shared_beginning(left: str, right: str) -> int:
    """How many characters two strings have in common at their beginnings."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(left), len(right)))
