"""Reading past damage: a copy of a cassette with the lines that can be read, and what couldn't be.

Statistics are still worth having when one line of a million is damaged; whoever reads a cassette to
replay it must not read past damage (`mcptap.cassette.scanning`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from mcptap import codec
from mcptap.cassette.compression import BROKEN_OFF, opened
from mcptap.cassette.joining import Joiner
from mcptap.cassette.scanning import parse

_LARGEST: Final = 2**63 - 1
_TYPED: Final = {
    "session": ("session", "at"),
    "interaction": ("seq", "session", "at", "ms", "proxy_ms", "params", "events"),
    "begin": ("seq", "session", "at", "params"),
    "event": ("seq", "at_ms", "ms", "params"),
    "end": ("seq", "ms", "proxy_ms"),
    "message": ("session", "at", "ms", "params"),
    "gap": ("at", "lost"),
}
"""The members of a line whose type `_wrong` has looked at, by its kind."""

_REFUSED: Final = frozenset(name for names in _TYPED.values() for name in names)
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True)
class Damage:
    """What a cassette has lost.

    Attributes:
        path: The cassette.
        lines: The numbers (from 1, the header's) of its damaged lines.
        why: What is wrong with the first of them.
        torn: Whether its last line is torn, which a crash leaves behind.
    """

    path: Path
    lines: tuple[int, ...]
    why: str
    torn: bool

    def __str__(self) -> str:
        if not self.lines:
            return f"the last line of {self.path} is torn and passed over"
        shown = ", ".join(map(str, self.lines[:5])) + (", …" if len(self.lines) > 5 else "")  # noqa: PLR2004
        what = "a damaged line is" if len(self.lines) == 1 else f"{len(self.lines)} damaged lines are"
        where = "line" if len(self.lines) == 1 else "lines"
        torn = "; its last line is torn" if self.torn else ""
        first = "" if len(self.lines) == 1 else "; of the first"
        return f"{what} passed over in {self.path}, {where} {shown}{first}: {self.why}{torn}"


def salvage(path: Path, target: Path) -> Damage:
    """Copy the lines of ``path`` that can be read to the plain file ``target``.

    They are written as DuckDB reads them: each member once, lone surrogates as U+FFFD, and without members
    that are no business of their kind.

    Raises:
        OSError: One of the files can't be read or written.
    """
    damaged: list[int] = []
    begun: set[object] = set()
    why, torn = "", False
    with target.open("wb") as good:
        for number, text, whole in _lines(path):
            reason = ""
            content = parse(text.rstrip(b"\0") if not whole else text)
            if content is None:
                reason = "it is not a JSON object"
            elif number > 1:
                reason = _wrong(content) or _begun_before(content, begun)
            if not whole and content is None:
                torn = True
            elif reason:
                damaged.append(number)
                why = why or reason
            elif number > 1:
                good.write(_readable(text.rstrip(b"\0\n")))
    return Damage(path, tuple(damaged), why, torn)


def _lines(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """The lines with their numbers, and whether they are whole: the last one may not be."""
    number = 0
    with opened(path) as (file, framing):
        try:
            for number, frame in enumerate(framing.frames(file), start=1):
                yield number, frame.text, frame.whole
        except BROKEN_OFF:  # the compression itself breaks off here
            yield number + 1, b"", False


def _wrong(line: dict[str, Any]) -> str:
    """Why a line doesn't say what a line of its kind must; empty where it does."""
    joiner = Joiner()
    try:
        if line.get("kind") in ("event", "end"):
            joiner.add(0, {"kind": "begin", "seq": line.get("seq"), "session": 0, "at": 0, "method": ""})
        joiner.add(0, line)
    except ValueError as error:
        return str(error)
    looked_at = _TYPED.get(line["kind"], ())
    large = [name for name in ("seq", "session", "lost") if name in looked_at and line[name] > _LARGEST]
    return f"its {large[0]!r} is no number of that size" if large else ""


def _begun_before(line: dict[str, Any], begun: set[object]) -> str:
    """Why a request can't begin here, and keep what has begun; see `Joiner`."""
    seq = line.get("seq")
    if line.get("kind") == "end":
        begun.discard(seq)
    elif line.get("kind") == "begin":
        if seq in begun:
            return f"request {seq} has begun already"
        begun.add(seq)
    return ""


def _readable(text: bytes) -> bytes:
    """The line after the header as DuckDB reads it, too; nothing where its kind is not known."""
    try:
        orjson.loads(text)
    except ValueError:
        text = _SURROGATE.sub(rb"\\ufffd", text)
    line = codec.loads(text)
    looked_at = _TYPED.get(line["kind"])
    if looked_at is None:
        return b""
    kept = {name: value for name, value in line.items() if name not in _REFUSED or name in looked_at}
    return codec.dumps(kept) + b"\n"
