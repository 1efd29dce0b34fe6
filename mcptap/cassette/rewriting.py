"""Writing a cassette anew from another, or in its own place: all of it, or nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from mcptap.cassette.writer import PARTIAL_SUFFIX, CassetteWriter
from mcptap.errors import RecordingError
from mcptap.model import CassetteHeader


def rewrite(path: Path, header: CassetteHeader, texts: Iterable[bytes]) -> None:
    """Write a cassette beside ``path`` and put it in its place at the end, however it ended before.

    Args:
        path: The cassette; its name says whether it is compressed.
        header: Its first line.
        texts: The JSON text of every other line; they may be read from the cassette that is replaced.

    Raises:
        CassetteError: It is locked, can't be written, or what is read from is damaged.
        RecordingError: A line can't be written; what was at ``path`` stays as it was.
    """
    writer = CassetteWriter.open(path, header, mode="rewrite")
    try:
        for text in texts:
            writer.append_text(text)
        writer.close()
    except BaseException:
        with contextlib.suppress(RecordingError):
            writer.close(replace=False)
        path.with_name(path.name + PARTIAL_SUFFIX).unlink(missing_ok=True)
        raise
