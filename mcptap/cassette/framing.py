"""Where a line begins and ends in the file: plain text, or one zstd frame a line.

A frame a line costs some compression, and buys what plain lines have: a torn end takes only the last
line with it, and one line can be read knowing nothing but its offset.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import zstandard

COMPRESSED_SUFFIX: Final = ".zst"

_NEWLINE: Final = b"\n"
_MAGIC: Final = zstandard.FRAME_HEADER
# Small, because what is left of a chunk after a frame is copied once a frame.
_CHUNK_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """A stretch of the file, from ``offset`` up to ``end`` (bytes), that should hold one line.

    ``text`` is what it says: all of it with its newline where the frame is ``whole``, and whatever can
    be read where the file ended too early. A frame that is whole but can't be decoded says nothing.
    """

    offset: int
    end: int
    text: bytes
    whole: bool


class Framing(Protocol):
    """A way of putting lines into a file."""

    def encode(self, text: bytes) -> bytes:
        """The bytes that stand in the file for the line ``text`` (which has no newline)."""

    def frames(self, file: BinaryIO, offset: int = 0) -> Iterator[Frame]:
        """The frames of ``file`` from ``offset`` on; nothing can follow one that is not whole."""

    def after(self, file: BinaryIO, frame: Frame) -> int:
        """Where (bytes) to go on behind a ``frame`` whose text can't be read."""


def framing_of(path: Path) -> Framing:
    """The framing that the name of a cassette asks for."""
    return CompressedFraming() if path.suffix == COMPRESSED_SUFFIX else PlainFraming()


class PlainFraming:
    r"""UTF-8 lines that end in ``\n`` and in nothing else."""

    def encode(self, text: bytes) -> bytes:
        """See `Framing.encode`."""
        return text + _NEWLINE

    def frames(self, file: BinaryIO, offset: int = 0) -> Iterator[Frame]:
        """See `Framing.frames`."""
        file.seek(offset)
        for text in file:
            end = offset + len(text)
            whole = text.endswith(_NEWLINE)
            yield Frame(offset, end, text, whole)
            if not whole:
                return  # another process may be appending: what it adds is not the next line
            offset = end

    def after(self, file: BinaryIO, frame: Frame) -> int:
        """See `Framing.after`: the next line."""
        del file
        return frame.end


class CompressedFraming:
    """One zstd frame a line, with a checksum: the lines of `PlainFraming`, compressed one by one."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(write_checksum=True)
        self._decompressor = zstandard.ZstdDecompressor()

    def encode(self, text: bytes) -> bytes:
        """See `Framing.encode`."""
        return self._compressor.compress(text + _NEWLINE)

    def frames(self, file: BinaryIO, offset: int = 0) -> Iterator[Frame]:
        """See `Framing.frames`."""
        # Another process may be appending: what it adds from here on is not looked at.
        size = os.fstat(file.fileno()).st_size
        file.seek(offset)
        ahead = b""
        while offset < size:
            frame, ahead = self._next(file, offset, ahead, size)
            yield frame
            offset = frame.end

    def after(self, file: BinaryIO, frame: Frame) -> int:
        """See `Framing.after`: the next magic number, for a damaged frame may swallow others."""
        if frame.text:
            return frame.end
        place = frame.offset + 1
        before = b""
        file.seek(place)
        while chunk := file.read(_CHUNK_BYTES):
            if (found := (before + chunk).find(_MAGIC)) >= 0:
                return place - len(before) + found
            place += len(chunk)
            before = (before + chunk)[1 - len(_MAGIC) :]
        return frame.end

    def _next(self, file: BinaryIO, offset: int, ahead: bytes, size: int) -> tuple[Frame, bytes]:
        """The frame at ``offset``, and what was read ahead of it; ``ahead`` starts at ``offset``."""
        decoder = self._decompressor.decompressobj()
        text = bytearray()
        end = offset
        try:
            several_lines = False
            while not decoder.eof and not several_lines:
                chunk = ahead or file.read(min(_CHUNK_BYTES, size - end))
                if not chunk:
                    return self._unfinished(file, offset, size), b""
                end += len(chunk)
                ahead = b""
                piece = decoder.decompress(chunk)
                # Somebody else's frame may hold the whole file: there is no point in reading on.
                several_lines = 0 <= piece.find(_NEWLINE) < len(piece) - 1 or (
                    bool(piece) and text.endswith(_NEWLINE)
                )
                text += piece
        except zstandard.ZstdError:
            return self._unfinished(file, offset, size), b""
        ahead = decoder.unused_data
        return Frame(offset, end - len(ahead), bytes(text), whole=True), ahead

    def _unfinished(self, file: BinaryIO, offset: int, size: int) -> Frame:
        """A frame that doesn't come to its end: torn at the end of the file, or else damaged."""
        return Frame(offset, size, b"", whole=not self._is_torn(file, offset, _end_before_nuls(file, size)))

    def _is_torn(self, file: BinaryIO, offset: int, end: int) -> bool:
        """Whether ``offset`` to ``end`` is the beginning of one frame and nothing else.

        A damaged frame may swallow the frames after it without an error, but theirs begin with the
        magic number, which a single frame has only at its own start.
        """
        decoder = self._decompressor.decompressobj()
        file.seek(offset)
        before = b""
        while offset < end:
            chunk = file.read(min(_CHUNK_BYTES, end - offset))
            if not chunk:
                return True  # a writer has just taken back what it couldn't write
            try:
                decoder.decompress(chunk)
            except zstandard.ZstdError:
                return False
            if decoder.eof or _MAGIC in (before + chunk)[0 if before else 1 :]:
                return False
            before = chunk[1 - len(_MAGIC) :]
            offset += len(chunk)
        return True


def _end_before_nuls(file: BinaryIO, end: int) -> int:
    """Where the run of NUL bytes that ends at ``end`` begins: after a power loss there may be one."""
    while end:
        start = max(0, end - _CHUNK_BYTES)
        file.seek(start)
        kept = file.read(end - start).rstrip(b"\0")
        if kept:
            return start + len(kept)
        end = start
    return 0
