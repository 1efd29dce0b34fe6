"""Newline-delimited JSON: how frames stand on a pipe (specification, "stdio")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mcptap import codec
from mcptap.tap.link import Frame

HOPELESS: Final = 100
"""Lines that are no JSON-RPC before the first one that is: then the other side doesn't speak MCP."""


class LineReader:
    """Cuts what a pipe delivers into frames.

    Args:
        on_frame: Gets every frame.
        on_rubbish: Gets the first line that is no frame, and then each `HOPELESS`-th; its second
            argument says whether there was no frame at all yet.

    Attributes:
        rubbish: How many lines were no frames.
    """

    def __init__(self, on_frame: Callable[[Frame], None], on_rubbish: Callable[[bytes, bool], None]) -> None:
        self._on_frame = on_frame
        self._on_rubbish = on_rubbish
        self._rest = bytearray()
        self._frames = 0
        self.rubbish = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes; calls back for every line that they complete."""
        if b"\n" not in data:
            self._rest += data
            return
        first, *others = data.split(b"\n")
        self._rest += first
        self._line(bytes(self._rest))
        self._rest.clear()
        for line in others[:-1]:
            self._line(line)
        self._rest += others[-1]

    def finish(self) -> None:
        """Take what stands after the last newline for a line, as the other side is gone."""
        rest = bytes(self._rest)
        self._rest.clear()
        self._line(rest)

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            message = codec.loads(line)
        except ValueError:
            message = None
        frames = message if isinstance(message, list) and message else [message]
        if all(isinstance(frame, dict) and "jsonrpc" in frame for frame in frames):
            self._frames += len(frames)
            for frame in frames:
                self._on_frame(frame)
            return
        self.rubbish += 1
        if self.rubbish == 1 or self.rubbish % HOPELESS == 0:
            self._on_rubbish(line, self._frames == 0)


def encode(frame: Frame) -> bytes:
    """One frame as one line."""
    return codec.dumps(frame) + b"\n"
