"""Members of a cassette's lines, checked as they are taken out.

Every function raises ValueError with a reason in plain words where the member is missing or of the
wrong type. A member that is ``null`` counts as absent. Numbers are returned as plain ``int`` and
``float``: only the wire's own objects keep the spelling of theirs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from mcptap.model import Json


def text(line: Json, name: str) -> str:
    """The string ``name``."""
    value = line.get(name)
    if not isinstance(value, str):
        raise _wrong(line, name, "a string")
    return value


def optional_text(line: Json, name: str) -> str | None:
    """The string ``name``, or ``None`` where there is none."""
    return None if line.get(name) is None else text(line, name)


def one_of(line: Json, name: str, values: Collection[str]) -> str:
    """The string ``name``, which is one of ``values``."""
    value = line.get(name)
    if not isinstance(value, str) or value not in values:
        raise _wrong(line, name, " or ".join(values))
    return value


def texts(line: Json, name: str) -> tuple[str, ...]:
    """The list of strings ``name``; empty where there is none."""
    value = _list(line, name, "a list of strings")
    if not all(isinstance(item, str) for item in value):
        raise _wrong(line, name, "a list of strings")
    return tuple(value)


def whole_number(line: Json, name: str) -> int:
    """The integer ``name``, which is not negative."""
    value = line.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _wrong(line, name, "a whole number")
    return int(value)


def number(line: Json, name: str) -> float:
    """The number ``name``."""
    value = line.get(name)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _wrong(line, name, "a number")
    try:
        return float(value)
    except OverflowError:
        raise _wrong(line, name, "a number of that size") from None


def optional_number(line: Json, name: str) -> float | None:
    """The number ``name``, or ``None`` where there is none."""
    return None if line.get(name) is None else number(line, name)


def optional_object(line: Json, name: str) -> dict[str, Any] | None:
    """The JSON object ``name``, or ``None`` where there is none."""
    value = line.get(name)
    if value is not None and not isinstance(value, dict):
        raise _wrong(line, name, "an object")
    return value


def objects(line: Json, name: str) -> list[dict[str, Any]]:
    """The list of JSON objects ``name``; empty where there is none."""
    value = _list(line, name, "a list of objects")
    if not all(isinstance(item, dict) for item in value):
        raise _wrong(line, name, "a list of objects")
    return value


def _list(line: Json, name: str, expected: str) -> list[Any]:
    value = line.get(name)
    if value is not None and not isinstance(value, list):
        raise _wrong(line, name, expected)
    return value or []


def _wrong(line: Json, name: str, expected: str) -> ValueError:
    problem = "is missing" if line.get(name) is None else f"is not {expected}"
    return ValueError(f"its {name!r} {problem}")
