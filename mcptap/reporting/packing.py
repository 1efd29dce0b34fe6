"""Bodies for the page: compressed in chunks, so that opening one call unpacks a few and not all."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable
from typing import Final

from mcptap import codec
from mcptap.reporting.rows import Row

_CHUNK_BYTES: Final = 128 * 1024
_ROWS_A_BLOCK: Final = 2_000
_LEVEL: Final = 6


class Packer:
    """Takes the bodies of one call after the other, in the order of their rows.

    Attributes:
        chunks: What is packed: gzip of lines, in base64.
        firsts: The number of the first row in each chunk.
    """

    def __init__(self) -> None:
        self.chunks: list[str] = []
        self.firsts: list[int] = []
        self._lines: list[bytes] = []
        self._size = 0
        self._rows = 0

    def add(self, line: bytes) -> None:
        """Take the bodies of the next row: JSON in one line."""
        if not self._lines:
            self.firsts.append(self._rows)
        self._rows += 1
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _CHUNK_BYTES:
            self.finish()

    def finish(self) -> None:
        """Pack what was taken and not packed yet."""
        if self._lines:
            self.chunks.append(packed(b"\n".join(self._lines)))
            self._lines, self._size = [], 0


def packed(text: bytes) -> str:
    """``text`` as gzip in base64."""
    # Without the time, so that the same recording gives the same report.
    return base64.b64encode(gzip.compress(text, _LEVEL, mtime=0)).decode()


def packed_rows(rows: Iterable[Row]) -> str:
    """Rows as gzip in base64: lines of JSON, each a list of rows that is soon parsed."""
    cells = [row.cells() for row in rows]
    blocks = (cells[first : first + _ROWS_A_BLOCK] for first in range(0, len(cells), _ROWS_A_BLOCK))
    return packed(b"\n".join(map(codec.dumps, blocks)))
