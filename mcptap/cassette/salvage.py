"""Saving what can be read of a damaged cassette; the damaged one is kept beside it."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from mcptap import __version__
from mcptap.cassette.examination import SeqSet, header_in, stretches
from mcptap.cassette.format import gap_line
from mcptap.cassette.joining import Joiner
from mcptap.cassette.writer import CassetteWriter
from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader, Gap

_DAMAGED_SUFFIX: Final = ".damaged"


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What `salvage` did.

    Attributes:
        kept: How many lines the cassette has now, without its header and the marks of gaps.
        lost: How many could not be read: a gap stands where each one stood.
        renumbered: How many requests had the ``seq`` of another one, and have one of their own now.
        original: Where the damaged cassette is.
    """

    kept: int
    lost: int
    renumbered: int
    original: Path


def salvage(path: Path) -> Salvaged:
    """Put into the place of a damaged cassette what can be read of it.

    Raises:
        CassetteError: It is no cassette, is locked, can't be written, or NAME.damaged is there already.
        WriteFailedError: The disk is full, or reports an error; the cassette stands as it did.
    """
    header = header_in(path) or _new_header(path)
    original = path.with_name(path.name + _DAMAGED_SUFFIX)
    if original.exists():
        raise CassetteError(f"{original} is there already", "move it away first")
    writer = CassetteWriter.open(path, header, mode="rewrite")
    replace = False
    try:
        salvager = _Salvager(writer, _highest_seq(path))
        for stretch in stretches(path):
            if stretch.number > 1 and not stretch.torn:
                salvager.take(stretch.number, stretch.offset, stretch.content)
        os.link(path, original)
        replace = True
    finally:
        writer.close(replace=replace)
        if not replace:
            path.with_name(path.name + ".partial").unlink(missing_ok=True)
    return Salvaged(salvager.kept, salvager.lost, salvager.renumbered, original)


class _Salvager:
    """Writes the lines that can be read, and a gap for each of the others."""

    def __init__(self, writer: CassetteWriter, highest_seq: int) -> None:
        self._writer = writer
        self._joiner = Joiner()
        self._seqs = SeqSet()
        self._next_seq = highest_seq + 1
        self._renumbering: dict[int, int] = {}
        self._at = 0.0
        self.kept = 0
        self.lost = 0
        self.renumbered = 0

    def take(self, number: int, offset: int, content: dict[str, Any] | None) -> None:
        """Write one line, or the gap in its place."""
        why = "it is not a JSON object"
        if content is not None:
            line = self._renumbered(content)
            try:
                self._joiner.add(offset, line)
            except ValueError as error:
                why = str(error)
            else:
                self._writer.append(line)
                self.kept += 1
                at = line.get("at")
                self._at = max(self._at, float(at)) if isinstance(at, (int, float)) else self._at
                return
        self._writer.append(gap_line(Gap(self._at, 1, f"line {number} was damaged: {why}")))
        self.lost += 1

    def _renumbered(self, content: dict[str, Any]) -> dict[str, Any]:
        """The line with a seq that no other request has."""
        seq = content.get("seq")
        if not isinstance(seq, int):
            return content
        if content.get("kind") in ("interaction", "begin"):
            self._renumbering.pop(seq, None)
            if not self._seqs.add(seq):
                self._renumbering[seq] = self._next_seq
                self._seqs.add(self._next_seq)
                self._next_seq += 1
                self.renumbered += 1
        return {**content, "seq": self._renumbering.get(seq, seq)}


def _highest_seq(path: Path) -> int:
    seqs = ((stretch.content or {}).get("seq") for stretch in stretches(path))
    return max((int(seq) for seq in seqs if isinstance(seq, int)), default=0)


def _new_header(path: Path) -> CassetteHeader:
    """A header for a cassette whose own is lost: only when it was recorded can be guessed at."""
    recorded_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
    return CassetteHeader(uuid.uuid4().hex, recorded_at.replace("+00:00", "Z"), f"mcptap {__version__}")
