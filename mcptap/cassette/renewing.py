"""Putting new interactions into the place of old ones, with every other line untouched."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

from mcptap.cassette.format import interaction_line
from mcptap.cassette.reader import Cassette
from mcptap.cassette.rewriting import rewrite
from mcptap.codec import dumps
from mcptap.model import Interaction


class Renewal:
    """Collects new interactions for a cassette, on the disk, until they are written into it.

    Args:
        cassette: The cassette.
    """

    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette
        self._texts = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._places: dict[int, tuple[int, int]] = {}

    @property
    def seqs(self) -> list[int]:
        """The interactions that are replaced."""
        return sorted(self._places)

    def add(self, interaction: Interaction) -> None:
        """Take what is to stand in the place of the interaction with the same ``seq``."""
        text = dumps(interaction_line(interaction))
        self._places[interaction.seq] = self._texts.seek(0, 2), len(text)
        self._texts.write(text)

    def write(self) -> None:
        """Write the cassette anew: all of it, or nothing.

        Raises:
            CassetteError: It is locked, damaged, or can't be written.
            RecordingError: A line can't be written; the cassette stays as it was.
        """
        rewrite(self._cassette.path, self._cassette.header, self._lines())

    def close(self) -> None:
        """Forget what was collected."""
        self._texts.close()

    def _lines(self) -> Iterator[bytes]:
        """Every line after the header; of what was written as it went on, the new one stands at its end."""
        for number, text, line in self._cassette.texts():
            if number == 1:
                continue
            seq = line.get("seq")
            if seq not in self._places or line.get("kind") not in ("interaction", "begin", "event", "end"):
                yield text
            elif line["kind"] in ("interaction", "end"):
                yield self._read(seq)

    def _read(self, seq: Any) -> bytes:
        offset, length = self._places[seq]
        self._texts.seek(offset)
        return self._texts.read(length)
