"""The lines of a cassette as they stand in the file, telling a torn end from damage in the middle.

A process or a machine that dies while it writes leaves the last line torn: cut short, or padded with
NUL bytes. That is expected, and takes nothing with it that a client has seen. Anything else that is
not a JSON object on a line of its own is damage, which nobody should read past without knowing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from mcptap import codec
from mcptap.cassette.compression import GZIP, is_gzip, not_by_lines
from mcptap.cassette.format import CASSETTE, MARKER, VERSION
from mcptap.cassette.framing import Frame, Framing
from mcptap.cassette.parsing import parse_header
from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader

DAMAGED_HINT: Final = "mcptap doctor --salvage saves what can be read of it"
NOT_A_CASSETTE_HINT: Final = "name a file that mcptap recorded, or restore it from git"


@dataclass(frozen=True, slots=True)
class Line:
    """A complete line: its ``number`` (from 1), where it begins and ends (bytes), and what it says.

    Only the last line of a plain cassette may be complete without being ``terminated`` by a newline.
    """

    number: int
    offset: int
    end: int
    content: dict[str, Any]
    terminated: bool = True


@dataclass(frozen=True, slots=True)
class Torn:
    """The torn end of a cassette: ``size`` bytes from ``offset`` on."""

    offset: int
    size: int


def scan(path: Path, file: BinaryIO, framing: Framing) -> Iterator[Line | Torn]:
    """Read ``file`` from its start: every complete line, and at last the torn end if there is one.

    Raises:
        CassetteError: A line in the middle is damaged; the message names it.
    """
    for number, frame in enumerate(framing.frames(file), start=1):
        if number == 1 and frame.text.startswith(GZIP):
            raise is_gzip(path)
        if not frame.whole:
            yield from _unfinished(number, frame)
            return
        if several_lines(frame.text):
            raise not_by_lines(path)
        content = parse(frame.text)
        if content is None and number == 1:
            raise CassetteError(
                f"{path} is not a cassette: its first line is not a JSON object", NOT_A_CASSETTE_HINT
            )
        if content is None:
            raise damaged(path, number, "it is not a JSON object")
        yield Line(number, frame.offset, frame.end, content)


def _unfinished(number: int, frame: Frame) -> Iterator[Line | Torn]:
    text = frame.text.rstrip(b"\0")
    content = parse(text)
    whole_until = frame.offset
    if content is not None:
        whole_until += len(text)
        yield Line(number, frame.offset, whole_until, content, terminated=False)
    if whole_until < frame.end:
        yield Torn(whole_until, frame.end - whole_until)


def several_lines(text: bytes) -> bool:
    """Whether what should be one line is more: a file that was compressed as a whole."""
    return 0 <= text.find(b"\n") < len(text) - 1


def parse(text: bytes) -> dict[str, Any] | None:
    """The JSON object that ``text`` is, or ``None`` where it is anything else."""
    try:
        content = codec.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def header_of(path: Path, first: Line | Torn | None) -> CassetteHeader:
    """Judge by the ``first`` that `scan` found whether this is a cassette that can be read.

    Raises:
        CassetteError: The file is empty, is no cassette, or a newer mcptap wrote it.
    """
    if first is None:
        raise CassetteError(f"{path} is empty", NOT_A_CASSETTE_HINT)
    if isinstance(first, Torn):
        raise CassetteError(f"{path} is not a cassette: its first line is torn", NOT_A_CASSETTE_HINT)
    if first.content.get(MARKER) != CASSETTE:
        raise CassetteError(
            f'{path} is not a cassette: its first line has no "mcptap":"cassette"', NOT_A_CASSETTE_HINT
        )
    version = first.content.get("version")
    if isinstance(version, int) and version > VERSION:
        # Before the other members are looked at: a newer format may well have changed them.
        raise CassetteError(f"{path} was written by a newer mcptap (format {version})", "upgrade mcptap")
    try:
        return parse_header(first.content)
    except ValueError as error:
        raise damaged(path, first.number, str(error)) from None


def damaged(path: Path, number: int, reason: str) -> CassetteError:
    """The error for the damaged line ``number``; ``reason`` says what is wrong with it."""
    return CassetteError(f"{path} is damaged in line {number}: {reason}", DAMAGED_HINT)
