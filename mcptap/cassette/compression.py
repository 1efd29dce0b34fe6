"""Cassettes that were compressed as a whole, after they were recorded: they are read, and never written."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

import zstandard

from mcptap.cassette.files import require_regular_file
from mcptap.cassette.framing import COMPRESSED_SUFFIX, Framing, PlainFraming, framing_of
from mcptap.errors import CassetteError

GZIP: Final = b"\x1f\x8b"
"""What a file begins with that gzip has written."""

BROKEN_OFF: Final = (EOFError, zlib.error, zstandard.ZstdError)
"""What reading raises where the compression itself is damaged."""

_FRAME_OF_A_LINE: Final = 1 << 16


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, Framing]]:
    """A cassette open for reading, and how its lines are framed once it is; raises OSError."""
    require_regular_file(path)
    if _is_gzip(path):
        with gzip.open(path) as file:
            yield cast("BinaryIO", file), PlainFraming()
    elif path.suffix == COMPRESSED_SUFFIX and _is_one_frame(path):
        with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as reader:
            yield cast("BinaryIO", _Forwards(reader)), PlainFraming()
    else:
        with path.open("rb") as file:
            yield file, framing_of(path)


def refuse_compressed(path: Path) -> None:
    """Refuse a file that was compressed as a whole, where that can't be gone on with.

    Raises:
        CassetteError: It is one; the message says what to do.
        OSError: It can't be read.
    """
    if _is_gzip(path):
        raise is_gzip(path)
    if path.suffix == COMPRESSED_SUFFIX and _is_one_frame(path):
        raise not_by_lines(path)


def is_gzip(path: Path) -> CassetteError:
    """The error for a cassette that gzip has compressed."""
    return CassetteError(f"{path} is gzip-compressed", "gunzip it first")


def not_by_lines(path: Path) -> CassetteError:
    """The error for a cassette that zstd has compressed in one frame."""
    return CassetteError(
        f"{path} is not compressed line by line", "decompress it with zstd -d and use that file"
    )


class _Forwards(io.BufferedReader):
    """A stream that can't seek: it is read from its start, and asked for nothing else."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if offset or whence:
            raise io.UnsupportedOperation("seek")
        return 0


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as raw:
        return path.suffix == ".gz" or raw.read(len(GZIP)) == GZIP


def _is_one_frame(path: Path) -> bool:
    """Whether a frame holds more than a line, as those that ``zstd`` writes do."""
    with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as reader:
        try:
            start = reader.read(_FRAME_OF_A_LINE)
        except zstandard.ZstdError:
            return False
    return 0 <= start.find(b"\n") < len(start) - 1
