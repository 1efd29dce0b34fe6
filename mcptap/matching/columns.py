"""What differs between two requests as two columns: on a terminal in colour, anywhere else in plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from mcptap.matching.excerpt import one_line, printable, side_by_side
from mcptap.matching.nearest import ABSENT, Difference

Role: TypeAlias = Literal["recorded", "live", "strong", "quiet"]

_GAP: Final = "  "
_WIDEST_PATH: Final = 32
_NARROWEST: Final = 12
_SGR: Final[dict[Role, str]] = {"recorded": "31", "live": "32", "strong": "1", "quiet": "2"}


@dataclass(frozen=True, slots=True)
class Look:
    """How an explanation for people looks.

    Attributes:
        width: Characters a line, where the columns have a choice.
        colour: Whether escape sequences set colours (ECMA-48, SGR).
    """

    width: int = 100
    colour: bool = False

    def paint(self, role: Role, text: str) -> str:
        """``text`` in the colour of its role."""
        return f"\x1b[{_SGR[role]}m{text}\x1b[0m" if self.colour and text else text


PLAIN: Final = Look()


def render(differences: Sequence[Difference], look: Look = PLAIN) -> list[str]:
    """Differences as lines: the path, the recorded value and the live one; nothing where there are none.

    Values are shortened, and neither they nor the paths hold control characters.
    """
    paths = [printable(field.path) for field in differences]
    first = max((len(path) for path in paths if len(path) <= _WIDEST_PATH), default=0)
    room = max(_NARROWEST, (look.width - first - 2 * len(_GAP)) // 2)
    pairs = [_values(field, room) for field in differences]
    second = max((len(text) for text, _ in [*pairs, ("recorded", "")]), default=0)

    def line(path: str, recorded: str, live: str) -> str:
        padding = " " * (second - len(recorded))
        cells = (look.paint("recorded", recorded) + padding, look.paint("live", live))
        return _GAP.join((look.paint("strong", path) + " " * (first - len(path)), *cells)).rstrip()

    lines = [line("", "recorded", "live")] if differences else []
    for path, pair in zip(paths, pairs, strict=True):
        if len(path) > first:
            lines.append(look.paint("strong", path))
            lines.append(line("", *pair))
        else:
            lines.append(line(path, *pair))
    return lines


def _values(field: Difference, room: int) -> tuple[str, str]:
    sides = (field.recorded, field.live)
    if ABSENT in sides:
        recorded, live = ("(absent)" if side is ABSENT else one_line(side, width=room) for side in sides)
        return recorded, live
    return side_by_side(*sides, width=room)
