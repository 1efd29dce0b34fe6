"""Which recorded request is nearest to one that isn't there, and what differs, field by field.

Only ever for an explanation: nothing here decides what is answered. The work is bounded, whatever the
number of candidates and the size of their params.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from math import inf
from typing import Any, Final, TypeAlias, TypeVar

from mcptap.matching.canonical import canonical, essential
from mcptap.matching.excerpt import shared_beginning, shortened
from mcptap.model import Json
from mcptap.protocol import target_of

Candidate = TypeVar("Candidate")

MOST_CANDIDATES: Final = 200
"""How many candidates `nearest` looks at."""

_MOST_DIFFERENCES: Final = 50
_MOST_FIELDS: Final = 2_000  # compared of one candidate
_MOST_CHARACTERS: Final = 500  # compared at each end of two strings

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Absent(enum.Enum):
    """The type of `ABSENT`: a side of a difference that has no such field, which ``null`` is not."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT

_Field: TypeAlias = tuple[str, Any, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that two JSON objects don't agree on.

    Attributes:
        path: Where, as a JSONPath from the object: ``$.arguments.city``.
        recorded: The recorded value, or `ABSENT`.
        live: The live value, or `ABSENT`.
    """

    path: str
    recorded: Any
    live: Any

    def as_json(self) -> dict[str, Any]:
        """The difference as a JSON object, values shortened; an absent side has no member."""
        sides = {"recorded": self.recorded, "live": self.live}
        return {"path": self.path} | {
            side: shortened(value) for side, value in sides.items() if value is not ABSENT
        }


def difference(recorded: Any, live: Any) -> tuple[Difference, ...]:
    """What differs between two JSON values, in the order of the recorded one; the first 50 fields.

    ``None`` is an empty object. Values are compared as `canonical` compares them.
    """
    sides = ({} if side is None else side for side in (recorded, live))
    return tuple(islice(differing(*sides), _MOST_DIFFERENCES))


def differing(recorded: Any, live: Any) -> Iterator[Difference]:
    """All that differs between two JSON values, in the order of the recorded one; see `difference`."""
    return _differing(_fields(recorded, live))


def location(parts: Iterable[str | int], path: str = "$") -> str:
    """The ``path`` of a `Difference` that stands at these member names and positions below ``path``."""
    return path + "".join(f"[{part}]" if isinstance(part, int) else _step(part) for part in parts)


def nearest(
    method: str,
    params: Json | None,
    candidates: Iterable[tuple[Candidate, Json | None]],
    essence: Callable[[str, Json | None], Any] = essential,
) -> tuple[Candidate, Json | None] | None:
    """The candidate (with its params) that is nearest to a live request, or ``None`` if there is none.

    A request about the same thing (tool, prompt, resource) is nearer than any other; then the one with
    the fewest differences, where similar strings differ less; then the first. No more than the first
    `MOST_CANDIDATES` are taken, so they may be read as they are needed. ``essence`` gives what is compared
    of a request.
    """
    live = essence(method, params)
    target = target_of(method, params)
    best = None
    least = (True, inf)
    for candidate, recorded in islice(candidates, MOST_CANDIDATES):
        elsewhere = target_of(method, recorded) != target
        if elsewhere > least[0]:
            continue
        fields = islice(_fields(essence(method, recorded), live), _MOST_FIELDS)
        enough = least[1] if elsewhere == least[0] else inf
        distance = (elsewhere, _weight(_differing(fields), enough=enough))
        if distance < least:
            best, least = (candidate, recorded), distance
    return best


def _fields(recorded: Any, live: Any) -> Iterator[_Field]:
    """Every field of either side: the path and both values; objects and lists are gone into."""
    pending = [iter([("$", recorded, live)])]
    while pending:
        field = next(pending[-1], None)
        if field is None:
            pending.pop()
        elif (inner := _inside(*field)) is not None:
            pending.append(inner)
        else:
            yield field


def _inside(path: str, recorded: Any, live: Any) -> Iterator[_Field] | None:
    """The fields one level down; ``None`` where the two are not both objects or both lists."""
    if isinstance(recorded, Mapping) and isinstance(live, Mapping):
        names = chain(recorded, (name for name in live if name not in recorded))
        return ((path + _step(name), recorded.get(name, ABSENT), live.get(name, ABSENT)) for name in names)
    if isinstance(recorded, (list, tuple)) and isinstance(live, (list, tuple)):
        pairs = enumerate(zip_longest(recorded, live, fillvalue=ABSENT))
        return ((f"{path}[{position}]", *pair) for position, pair in pairs)
    return None


def _step(name: str) -> str:
    if _PLAIN_NAME.fullmatch(name):
        return f".{name}"
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{quoted}']"


def _differing(fields: Iterable[_Field]) -> Iterator[Difference]:
    return (Difference(*field) for field in fields if not _same(*field[1:]))


def _same(recorded: Any, live: Any) -> bool:
    if type(recorded) is type(live) and isinstance(recorded, (str, int)):
        return bool(recorded == live)
    # Two objects or two lists were gone into, so that where there is one, the other side is no such.
    if any(value is ABSENT or isinstance(value, (Mapping, list, tuple)) for value in (recorded, live)):
        return False
    return canonical(recorded) == canonical(live)


def _weight(differences: Iterable[Difference], *, enough: float) -> float:
    """How much differs: 1 a field, down to a half for similar strings; given up at ``enough``."""
    total = 0.0
    for field in differences:
        total += 1 - _likeness(field.recorded, field.live) / 2
        if total >= enough:
            break
    return total


def _likeness(recorded: Any, live: Any) -> float:
    """How much of two strings is the same at their beginnings and ends, from 0 to 1."""
    if not isinstance(recorded, str) or not isinstance(live, str):
        return 0.0
    beginning = shared_beginning(recorded[:_MOST_CHARACTERS], live[:_MOST_CHARACTERS])
    ends = [text[beginning:][-_MOST_CHARACTERS:][::-1] for text in (recorded, live)]
    longest = min(max(len(recorded), len(live)), 2 * _MOST_CHARACTERS)
    return (beginning + shared_beginning(*ends)) / longest
