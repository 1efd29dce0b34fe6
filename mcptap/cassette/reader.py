"""Reading a cassette: streamed, never changed, not locked, whether or not somebody appends to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from mcptap.cassette.files import require_regular_file
from mcptap.cassette.framing import framing_of
from mcptap.cassette.joining import Joined, Joiner
from mcptap.cassette.scanning import Torn, damaged, header_of, parse, scan
from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader, Interaction, Record, SessionStart


def open_cassette(path: str | os.PathLike[str]) -> Cassette:
    """Open a cassette for reading; its name says whether it is compressed.

    Raises:
        CassetteError: It is absent, empty, no cassette, of a newer format, or can't be read.
    """
    return Cassette(Path(path))


class Cassette:
    """A cassette that can be read as often as one likes; made by `open_cassette`.

    Every way of reading it raises CassetteError where a line in the middle is damaged.

    Attributes:
        path: Its name.
        header: Its first line.
        torn_bytes: How many bytes of a torn end were ignored by the latest reading that came to the
            end; also the half of a line that another process is just writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn_bytes = 0
        self._framing = framing_of(path)
        with self._opened() as file:
            self.header: CassetteHeader = header_of(path, next(scan(path, file, self._framing), None))

    def recorded_at(self) -> datetime:
        """The time of the header, with its zone.

        Raises:
            CassetteError: The header has none that can be read.
        """
        try:
            moment = datetime.fromisoformat(self.header.recorded_at)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise damaged(self.path, 1, "its 'recorded_at' is not a time with its zone")
        return moment

    def lines(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Every complete line with its number (from 1, the header's) and its offset (bytes)."""
        torn_bytes = 0
        with self._opened() as file:
            for item in scan(self.path, file, self._framing):
                if isinstance(item, Torn):
                    torn_bytes = item.size
                else:
                    yield item.number, item.offset, item.content
        self.torn_bytes = torn_bytes

    def texts(self) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
        """Every complete line with its number, as it stands in the file (without its end) and as it reads."""
        with self._opened() as file:
            for number, offset, line in self.lines():
                frame = next(self._framing.frames(file, offset))
                yield number, frame.text.rstrip(b"\0").removesuffix(b"\n"), line

    def joined(self) -> Iterator[Joined]:
        """Every record with the offsets of its lines; requests without an end come last."""
        joiner = Joiner()
        for number, offset, line in self.lines():
            if number == 1:
                continue
            try:
                joined = joiner.add(offset, line)
            except ValueError as error:
                raise damaged(self.path, number, str(error)) from None
            if joined:
                yield joined
        yield from joiner.unanswered()

    def records(self) -> Iterator[Record]:
        """Every record in the order of its last line: interactions joined, unknown kinds passed over.

        A request whose end was never written is an interaction with the outcome ``unanswered``; these
        come last, by their ``seq``.
        """
        for joined in self.joined():
            yield joined.record

    def interactions(self) -> Iterator[Interaction]:
        """The interactions among the `records`."""
        for record in self.records():
            if isinstance(record, Interaction):
                yield record

    def sessions(self) -> tuple[SessionStart, ...]:
        """The client sessions, in the order of their opening."""
        return tuple(record for record in self.records() if isinstance(record, SessionStart))

    def lines_at(self, offsets: Iterable[int]) -> Iterator[dict[str, Any]]:
        """The lines that begin at ``offsets`` (bytes), as `lines` gave them.

        Raises:
            CassetteError: One of them isn't there any more: the file was changed.
        """
        with self._opened() as file:
            for offset in offsets:
                frame = next(self._framing.frames(file, offset), None)
                line = parse(frame.text) if frame else None
                if line is None:
                    raise self.changed()
                yield line

    def record_at(self, offsets: Sequence[int]) -> Record:
        """The record whose lines begin at ``offsets`` (bytes), as `joined` gave them.

        Raises:
            CassetteError: It isn't there any more: the file was changed.
        """
        joiner = Joiner()
        joined = None
        for offset, line in zip(offsets, self.lines_at(offsets), strict=True):
            try:
                joined = joiner.add(offset, line)
            except ValueError:
                raise self.changed() from None
        joined = joined or next(joiner.unanswered(), None)
        if joined is None:
            raise self.changed()
        return joined.record

    def changed(self) -> CassetteError:
        """The error for a cassette that no longer holds what it held when it was read before."""
        return CassetteError(f"{self.path} was changed while it was in use", "start again")

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            require_regular_file(self.path)
            with self.path.open("rb") as file:
                yield file
        except FileNotFoundError:
            raise CassetteError(f"{self.path} does not exist", "record it first") from None
        except OSError as error:
            raise CassetteError(
                f"{self.path} can't be read: {error.strerror}", "check its name and its permissions"
            ) from error
