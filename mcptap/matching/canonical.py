"""When two requests are the same: canonical JSON, and the key that a cassette is looked up by.

Implements matching rule 1 of the cassette format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from math import isfinite
from typing import Any, Final

import orjson

from mcptap.codec import ExactFloat, ExactInt, dumps
from mcptap.model import Era, Json
from mcptap.protocol import CAPABILITIES_META, META, is_volatile_meta, meta_of

_KEY_BYTES: Final = 16
_CAPABILITIES_BYTES: Final = 8

# In what orjson writes: perhaps a float. A match inside a string only costs the slower way.
_MAYBE_FLOAT: Final = re.compile(rb"(?:\A|[:,\[])-?[0-9]+[.eE]")

_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")

# Every 64-bit integer is spelled out in full, because orjson does so on the fast way.
_LONGEST_RUN_OF_ZEROS: Final = 20

# Python refuses to parse longer integers; an exponent like that has one spelling for all we care.
_LONGEST_EXPONENT: Final = 4000


def canonical(value: Any) -> bytes:
    """Write ``value`` so that two values get the same text exactly where JSON means the same.

    Members are sorted. Numbers are equal if they are mathematically equal, however they are written
    (JavaScript clients send ``1`` where Python clients send ``1.0``), and to the last digit: nothing
    is rounded. ``true`` is no number. Strings count code unit by code unit, unpaired surrogates too.

    Raises:
        TypeError: ``value`` holds something that is not JSON.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS)
    except TypeError:
        return _canonical_exactly(value)
    return text if _MAYBE_FLOAT.search(text) is None else _canonical_exactly(value)


def essential(method: str, params: Json | None) -> dict[str, Any]:
    """What a request asks for: its params without what differs between two runs of the same session.

    Absent params are empty ones. Of ``initialize`` only the protocol version stays: who the client is
    and what it can do is volatile, as it is in the modern era, where both stand in ``_meta``.
    """
    if method == "initialize":
        return {key: value for key, value in (params or {}).items() if key == "protocolVersion"}
    return without_volatile(params)


def without_volatile(params: Json | None) -> dict[str, Any]:
    """``params`` (or a result) without the volatile keys of ``_meta``, and without an empty ``_meta``."""
    if not params:
        return {}
    meta = params.get(META)
    if not isinstance(meta, Mapping):
        return dict(params)
    kept = {key: value for key, value in meta.items() if not is_volatile_meta(key)}
    return {key: value for key, value in params.items() if key != META} | ({META: kept} if kept else {})


def key_of(era: Era, method: str, params: Json | None) -> bytes:
    """The key of a request: 16 bytes that two requests share exactly where they ask for the same.

    Raises:
        TypeError: ``params`` holds something that is not JSON.
    """
    return key_of_essence(era, method, essential(method, params))


def key_of_essence(era: Era, method: str, essence: Any) -> bytes:
    """The key of a request that asks for ``essence``; see `key_of`.

    Raises:
        TypeError: ``essence`` holds something that is not JSON.
    """
    return blake2b(canonical([era, method, essence]), digest_size=_KEY_BYTES).digest()


def capabilities_of(params: Json | None) -> bytes:
    """What a request says that its client can do: 8 bytes, equal exactly where that is; none if nothing.

    It is no part of the key, because another client may ask for the same; but a server may answer by it.

    Raises:
        TypeError: The capabilities hold something that is not JSON.
    """
    capabilities = meta_of(params).get(CAPABILITIES_META)
    if capabilities is None:
        return b""
    return blake2b(canonical(capabilities), digest_size=_CAPABILITIES_BYTES).digest()


def _canonical_exactly(value: Any) -> bytes:
    """What `canonical` promises, for what orjson would change or refuse; at any depth of nesting."""
    written: list[bytes] = []
    # Ready-made pieces are bytes, which JSON values never are.
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, bytes):
            written.append(item)
        elif isinstance(item, Mapping):
            pieces: list[Any] = [b"{"]
            for position, key in enumerate(sorted(item)):
                pieces += [b"," if position else b"", _text(key), b":", item[key]]
            pending += reversed([*pieces, b"}"])
        elif isinstance(item, (list, tuple)):
            pieces = [b"["]
            for position, element in enumerate(item):
                pieces += [b"," if position else b"", element]
            pending += reversed([*pieces, b"]"])
        else:
            written.append(_scalar(item))
    return b"".join(written)


def _text(key: Any) -> bytes:
    if not isinstance(key, str):
        raise TypeError(f"a member named by a {type(key).__name__} is not JSON")
    return dumps(key)


def _scalar(value: Any) -> bytes:
    if isinstance(value, bool):
        return dumps(value)
    if isinstance(value, (ExactInt, ExactFloat)):
        return _number(value.text)
    if isinstance(value, int):
        return _number(str(int(value)))
    if isinstance(value, float):
        # JSON has no infinities: the codec writes them as null, so that is what they are here.
        return dumps(value) if not isfinite(value) else _number(repr(float(value)))
    return dumps(value)


def _number(text: str) -> bytes:
    """Spell a number as its significant digits and a power of ten, or plainly where it is short."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise TypeError(f"{text} is not a JSON number")
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", match[4] or "0"
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return b"0"
    if len(exponent) > _LONGEST_EXPONENT:
        return text.encode()
    significant = digits.rstrip("0")
    power = int(exponent) - len(fraction) + len(digits) - len(significant)
    if 0 <= power <= _LONGEST_RUN_OF_ZEROS:
        return f"{sign}{significant}{'0' * power}".encode()
    return f"{sign}{significant}e{power}".encode()
