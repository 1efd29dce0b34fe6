"""Following a cassette while another mcptap writes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import anyio
import anyio.lowlevel

from mcptap.cassette.framing import Frame, framing_of
from mcptap.cassette.reader import open_cassette
from mcptap.cassette.scanning import parse
from mcptap.model import CassetteHeader
from mcptap.reporting.feed import Feed

_INTERVAL: Final = 0.1
_LINES_AT_ONCE: Final = 200


class Follower:
    """Reads what is added to a cassette, and starts anew where it was replaced.

    Args:
        path: The cassette.
        feed: Where its lines go.

    Raises:
        CassetteError: It is absent, empty, no cassette, of a newer format, or can't be read.
    """

    def __init__(self, path: Path, feed: Feed) -> None:
        self.header = open_cassette(path).header
        self._path = path
        self._feed = feed
        self._framing = framing_of(path)
        self._identity = _identity(path)
        self._offset = 0
        self._number = 0
        self._started = _time_of(self.header)
        feed.now = self._now

    async def follow(self) -> None:
        """Go on until it is cancelled."""
        while True:
            if not self.read_on():
                await anyio.sleep(_INTERVAL)
            await anyio.lowlevel.checkpoint()

    def read_on(self) -> bool:
        """Read some of the lines that have come; whether there may be more of them by now."""
        try:
            self._start_anew_if_replaced()
            with self._path.open("rb") as file:
                read = 0
                for frame in islice(self._frames(file), _LINES_AT_ONCE):
                    self._take(frame)
                    read += 1
        except OSError:
            return False  # it is just being replaced, or gone for good: what was read stays
        return read == _LINES_AT_ONCE

    def _now(self) -> float:
        return (datetime.now(UTC) - self._started).total_seconds()

    def _frames(self, file: BinaryIO) -> Iterator[Frame]:
        """The complete frames from where the last reading ended; past one that is damaged."""
        going_on = True
        while going_on:
            going_on = False
            for frame in self._framing.frames(file, self._offset):
                if not frame.whole:
                    return  # it is just being written
                damaged = parse(frame.text) is None
                self._offset = self._framing.after(file, frame) if damaged else frame.end
                yield frame
                if self._offset != frame.end:
                    going_on = True
                    break

    def _take(self, frame: Frame) -> None:
        self._number += 1
        if self._number == 1:
            return
        line = parse(frame.text)
        why = "it is not a JSON object"
        if line is not None:
            try:
                self._feed.append(line)
            except ValueError as error:
                why = str(error)
            else:
                return
        self._feed.notice(f"line {self._number} is damaged: {why}")

    def _start_anew_if_replaced(self) -> None:
        identity = _identity(self._path)
        if identity != self._identity or self._path.stat().st_size < self._offset:
            self._identity, self._offset, self._number = identity, 0, 0
            self._feed.reset()


def _time_of(header: CassetteHeader) -> datetime:
    """When a recording began; now where its header doesn't tell."""
    try:
        started = datetime.fromisoformat(header.recorded_at)
    except ValueError:
        return datetime.now(UTC)
    return started if started.tzinfo else started.replace(tzinfo=UTC)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
