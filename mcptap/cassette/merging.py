"""Several cassettes of one server as one: their lines in the order in which they were written.

Times count from the earliest header; sessions, and requests by their arrival, are numbered anew.
Everything else stands as it stood, lines of kinds that this mcptap doesn't know too.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import accumulate
from operator import itemgetter
from typing import Any, Final

from mcptap import __version__
from mcptap.cassette.format import Line
from mcptap.cassette.normalizing import EPOCH, normalized_header
from mcptap.cassette.reader import Cassette
from mcptap.codec import dumps
from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader
from mcptap.redaction.header import redacted_header
from mcptap.redaction.lines import redacted_texts
from mcptap.redaction.placeholder import PLACEHOLDER, decoded

_ID_BYTES: Final = 16
_AT_DECIMALS: Final = 6
_REQUESTS: Final = ("interaction", "begin")


@dataclass(frozen=True, slots=True)
class Merged:
    """What `merge` makes of several cassettes.

    Attributes:
        header: Its first line.
        texts: The JSON text of every other line; it can be read once.
    """

    header: CassetteHeader
    texts: Iterator[bytes]


def merge(cassettes: Sequence[Cassette], *, name: str | None = None) -> Merged:
    """Merge cassettes; their bodies are read again as they are written, one line at a time.

    Where some were redacted by more rules than others, all of the rules apply to all of them, since a
    replay applies all of them to what its client sends.

    Args:
        cassettes: At least one.
        name: What to call the server; ``None`` where all cassettes call it the same.

    Raises:
        CassetteError: They are of different servers, one is damaged, or they have placeholders that
            were made with different salts.
    """
    names = sorted({each.header.upstream.name if each.header.upstream else "?" for each in cassettes})
    if name is None and len(names) > 1:
        raise CassetteError(
            f"these are cassettes of {len(names)} servers ({', '.join(names)})",
            "give --name if they are the same server all the same",
        )
    timed = [cassette for cassette in cassettes if cassette.header.recorded_at != EPOCH]
    first = min(timed or cassettes, key=Cassette.recorded_at)
    header = _header(first.header, cassettes, name)
    began = first.recorded_at()
    shifts = [
        (cassette.recorded_at() - began).total_seconds() if cassette in timed else 0.0
        for cassette in cassettes
    ]
    lines = _ordered(cassettes, shifts, _numbers(cassettes, shifts))
    same_rules = all(cassette.header.redaction == header.redaction for cassette in cassettes)
    texts = map(dumps, lines) if same_rules else redacted_texts(header, lines)
    return Merged(header if timed else normalized_header(header), texts)


def _header(first: CassetteHeader, cassettes: Sequence[Cassette], name: str | None) -> CassetteHeader:
    ids = dumps([cassette.header.id for cassette in cassettes])
    upstream = first.upstream
    header = replace(
        first,
        id=blake2b(ids, digest_size=_ID_BYTES, person=b"mcptap-merge").hexdigest(),
        by=f"mcptap {__version__}",
        upstream=replace(upstream, name=name) if upstream and name else upstream,
        redaction=(),
        salt=_salt(cassettes),
    )
    rules = dict.fromkeys(rule for cassette in cassettes for rule in cassette.header.redaction)
    return redacted_header(header, tuple(rules))


def _salt(cassettes: Sequence[Cassette]) -> str | None:
    """The salt of all placeholders; where there are several, that of the cassettes that have any.

    Raises:
        CassetteError: Those have several; without the secrets they can't be made again with one.
    """
    salted = {cassette.header.salt: cassette for cassette in cassettes if cassette.header.salt}
    if len(salted) > 1:
        used = {each.header.salt: each for each in cassettes if each.header.salt and _has_placeholder(each)}
        if len(used) > 1:
            one, other, *_ = used.values()
            raise CassetteError(
                f"the placeholders of {one.path} and {other.path} were made with different salts, "
                "so that a replay could find only those of one",
                "record both under one --name",
            )
        salted = used or salted
    return next(iter(salted), None)


def _has_placeholder(cassette: Cassette) -> bool:
    return any(
        PLACEHOLDER.search(decoded(dumps(line).decode()))
        for number, _, line in cassette.lines()
        if number > 1
    )


def _numbers(cassettes: Sequence[Cassette], shifts: Sequence[float]) -> list[dict[int, int]]:
    """The new number of every request, for each cassette by its old one."""
    arrivals = [_arrivals(cassette, which, shifts[which]) for which, cassette in enumerate(cassettes)]
    numbers: list[dict[int, int]] = [{} for _ in cassettes]
    for number, (_, which, seq) in enumerate(heapq.merge(*arrivals), 1):
        numbers[which][seq] = number
    return numbers


def _arrivals(cassette: Cassette, which: int, shift: float) -> list[tuple[float, int, int]]:
    """When each request arrived, in the order of their numbers: that stands, whatever the clock said."""
    found = {
        line["seq"]: _number(line.get("at"))
        for number, _, line in cassette.lines()
        if number > 1 and line.get("kind") in _REQUESTS and isinstance(line.get("seq"), int)
    }
    latest = accumulate((found[seq] for seq in sorted(found)), max)
    return [(at + shift, which, seq) for seq, at in zip(sorted(found), latest, strict=True)]


def _ordered(
    cassettes: Sequence[Cassette], shifts: Sequence[float], numbers: Sequence[dict[int, int]]
) -> Iterator[Line]:
    """The lines of all cassettes by the time of their writing, renumbered."""
    sessions: dict[tuple[int, int], int] = {}
    streams = [_timed(cassette, which, shifts[which]) for which, cassette in enumerate(cassettes)]
    for _, which, line in heapq.merge(*streams, key=itemgetter(0, 1)):
        if isinstance(line.get("at"), (int, float)):
            line["at"] = round(float(line["at"]) + shifts[which], _AT_DECIMALS)
        if isinstance(old := line.get("session"), int):
            line["session"] = sessions.setdefault((which, old), len(sessions) + 1)
        if isinstance(old := line.get("seq"), int):
            line["seq"] = numbers[which].get(old, old)
        yield line


def _timed(cassette: Cassette, which: int, shift: float) -> Iterator[tuple[float, int, Line]]:
    """Every line after the header with the time at which it was written at the earliest."""
    begun: dict[int, float] = {}
    now = 0.0
    for number, _, line in cassette.lines():
        if number == 1:
            continue
        now = max(now, _written_at(line, begun))
        yield now + shift, which, line


def _written_at(line: Line, begun: dict[int, float]) -> float:
    took = (_number(line.get("ms")) + _number(line.get("proxy_ms"))) / 1000
    match line.get("kind"):
        case "begin":
            begun[line["seq"]] = _number(line.get("at"))
        case "event":
            return begun.get(line["seq"], 0.0) + _number(line.get("at_ms")) / 1000
        case "end":
            return begun.pop(line["seq"], 0.0) + took
        case "interaction":
            return _number(line.get("at")) + took
    return _number(line.get("at"))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
