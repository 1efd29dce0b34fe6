"""JSON as it stands on the wire: parsed once and written once, with nothing changed in between.

orjson is the fast way, but it turns integers over 64 bits into floats, normalises how a float is
written (``1e5`` becomes ``100000.0``) and refuses unpaired surrogates. Where a text holds something
that orjson would change, the standard library parses it and every number keeps its own spelling.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, Self

import orjson

# What orjson may change: a lone surrogate can only come from an escape. A float has a point or an
# exponent; an integer of 19 digits or more may not fit into 64 bits; -0 becomes 0. Inside an object or
# array a number stands behind one of a few characters, so that the "2.0" of JSON-RPC is none; a match
# inside a string only costs the slower parser. Both begin with a set, which is what `re` finds fast.
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_DELICATE_NUMBER: Final = re.compile(
    rb"[:,\[ \n\t\r](?:[0-9](?:[0-9]*[.eE]|[0-9]{18})|-(?:[0-9]*[.eE]|[0-9]{19}|0(?![0-9])))"
)

_MAY_NOT_FIT: Final = 19
_CONTAINERS: Final = (b"{", b"[")
_DEEPEST: Final = 100_000
"""Levels of nesting after which a value must be thought to hold itself; neither parser goes near that."""


class ExactFloat(float):
    """A float that remembers how it was written."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Self:
        """Parse ``text`` and keep it."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __reduce__(self) -> tuple[type[ExactFloat], tuple[str]]:
        return ExactFloat, (self.text,)


class ExactInt(int):
    """An integer that orjson can't write by itself: over 64 bits, or a negative zero."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Parse ``text`` and keep it."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __reduce__(self) -> tuple[type[ExactInt], tuple[str]]:
        return ExactInt, (self.text,)


def _parse_float(text: str) -> float:
    plain = float(text)
    return plain if orjson.dumps(plain) == text.encode() else ExactFloat(text)


def _parse_int(text: str) -> int:
    return ExactInt(text) if len(text) >= _MAY_NOT_FIT or text == "-0" else int(text)


def _has_surrogate(text: bytes) -> bool:
    return b"\\u" in text and _SURROGATE.search(text) is not None


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


_EXACT_DECODER: Final = json.JSONDecoder(
    parse_float=_parse_float, parse_int=_parse_int, parse_constant=_refuse_constant
)


def loads(text: bytes) -> Any:
    """Parse one JSON text (UTF-8), keeping every number and string exactly as it was written.

    Raises:
        ValueError: ``text`` is not JSON or not UTF-8.
    """
    if text[:1] in _CONTAINERS and not _DELICATE_NUMBER.search(text) and not _has_surrogate(text):
        return orjson.loads(text)
    try:
        return _EXACT_DECODER.decode(text.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _fragment(value: object) -> Any:
    if isinstance(value, (ExactFloat, ExactInt)):
        return orjson.Fragment(value.text.encode())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


class _Written(str):
    """Text of the JSON text itself: a bracket, a comma, the name of a member."""

    __slots__ = ()


def _spell(value: Any) -> str:
    """Write ``value`` without orjson, for what it refuses; not recursively, so that depth costs no stack."""
    written: list[str] = []
    pending: list[Any] = [value]
    depth = 0
    while pending:
        item = pending.pop()
        if isinstance(item, _Written):
            written.append(item)
            depth -= item in {"}", "]"}
        elif isinstance(item, (dict, list, tuple)):
            depth += 1
            if depth > _DEEPEST:
                raise TypeError("nested too deeply")
            is_object = isinstance(item, dict)
            names = [f"{_spell_key(key)}:" for key in item] if is_object else [""] * len(item)
            inner: list[Any] = []
            for position, (name, element) in enumerate(zip(names, _elements(item), strict=True)):
                inner += [_Written(f"{',' if position else ''}{name}"), element]
            written.append("{" if is_object else "[")
            pending.append(_Written("}" if is_object else "]"))
            pending += reversed(inner)
        else:
            written.append(_spell_scalar(item))
    return "".join(written)


def _elements(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _spell_scalar(value: Any) -> str:
    if isinstance(value, (ExactFloat, ExactInt)):
        return value.text
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str):
        return json.dumps(value)
    return orjson.dumps(value).decode()


def _spell_key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{type(key).__name__} is not a key in JSON")
    return json.dumps(key)


def dumps(value: Any) -> bytes:
    """Write one JSON text (UTF-8, one line, no spaces), every number spelled as `loads` found it.

    Unpaired surrogates are written as escapes, since UTF-8 has no form for them.

    Raises:
        TypeError: ``value`` holds something that is not JSON, or is nested too deeply.
    """
    try:
        return orjson.dumps(value, default=_fragment, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
    except TypeError:
        return _spell(value).encode()
