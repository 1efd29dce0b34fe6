"""mcptap's own stdin and stdout as a link: the front of a stdio client.

While it is open, descriptor 1 leads to stderr, so that nothing which prints can break the protocol,
and descriptor 0 to nowhere, so that no child reads the client's requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import math
import os
import stat
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final

import anyio

from mcptap.tap.link import Frame, Link, Receiver
from mcptap.tap.link.lines import LineReader, encode

_CHUNK: Final = 1 << 16
_ABOVE_STDERR: Final = 3
_FLUSH: Final = 0.5
# A client that closes its side is about to go; a file that has come to its end waits for every answer.
_CLIENT_READS_FOR: Final = 0.5
_FILE_READS_FOR: Final = math.inf


@contextlib.asynccontextmanager
async def open_stdio(receiver: Receiver) -> AsyncIterator[Link]:
    """Take over stdin and stdout until the context is left."""
    with _diverted(0, os.devnull) as stdin, _diverted(1, None) as stdout:
        loop = asyncio.get_running_loop()
        output: _PipeOutput | _FileOutput
        if _can_be_polled(stdout):
            pipe = os.fdopen(os.dup(stdout), "wb", buffering=0)
            transport, output = await loop.connect_write_pipe(lambda: _PipeOutput(receiver), pipe)
            # Not in connection_made: uvloop calls that later, when the first answer may be due already.
            output.transport = transport
        else:
            output = _FileOutput(stdout)
        is_file = stat.S_ISREG(os.fstat(stdin).st_mode)
        source = _Input(receiver, _FILE_READS_FOR if is_file else _CLIENT_READS_FOR)
        if _can_be_polled(stdin):
            # The loop closes what it is given.
            await loop.connect_read_pipe(lambda: source, os.fdopen(os.dup(stdin), "rb", buffering=0))
        else:
            threading.Thread(target=_pump, args=(stdin, source, loop), daemon=True).start()
        try:
            yield output
        except BaseException:  # told to stop, so it stops, however slowly the client reads
            with anyio.move_on_after(_FLUSH, shield=True):
                await output.flush()
            raise
        await output.flush()


@contextlib.contextmanager
def _diverted(fd: int, elsewhere: str | None) -> Iterator[int]:
    """Point ``fd`` elsewhere (``None``: to stderr) and give out a private copy of what it was."""
    private = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE_STDERR)
    blocking = os.get_blocking(private)
    other = os.open(elsewhere, os.O_RDONLY) if elsewhere else os.dup(2)
    os.dup2(other, fd)
    os.close(other)
    try:
        yield private
    finally:
        # A pipe that others hold too must not stay non-blocking behind our back.
        os.set_blocking(private, blocking)
        os.dup2(private, fd)
        os.close(private)


def _can_be_polled(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


def _pump(fd: int, source: _Input, loop: asyncio.AbstractEventLoop) -> None:
    """Read a file, which can't be polled, from a thread of its own."""
    with contextlib.suppress(RuntimeError, OSError):  # all is closed before the file ends
        while data := os.read(fd, _CHUNK):
            loop.call_soon_threadsafe(source.data_received, data)
        loop.call_soon_threadsafe(source.eof_received)


class _Input(asyncio.Protocol):
    """What the client writes."""

    def __init__(self, receiver: Receiver, reads_for: float) -> None:
        self._receiver = receiver
        self._reads_for = reads_for
        self._lines = LineReader(receiver.received, self._rubbish)
        self._ended = False

    def data_received(self, data: bytes) -> None:
        self._lines.feed(data)

    def eof_received(self) -> None:
        if not self._ended:
            self._ended = True
            self._lines.finish()
            self._receiver.closed("the client closed stdin", self._reads_for)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.eof_received()

    def _rubbish(self, line: bytes, nothing_else: bool) -> None:
        del nothing_else
        sample = line[:60].decode(errors="replace").strip()
        self._receiver.warned(f"the client sent a line that is not JSON-RPC, ignored: {sample!r}")


class _PipeOutput(asyncio.BaseProtocol):
    """What the client reads, on a pipe: never blocks mcptap."""

    in_pieces = True
    transport: asyncio.WriteTransport

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._writable = asyncio.Event()
        self._writable.set()

    def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        del headers
        self.send_raw(encode(frame))

    def encoded(self, frame: Frame) -> bytes:
        return encode(frame)

    def send_raw(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    async def drain(self) -> None:
        await self._writable.wait()

    async def flush(self) -> None:
        """Wait until all is written, or nobody reads any more."""
        if self.transport.is_closing():
            return
        self.transport.set_write_buffer_limits(high=0)
        before, left = math.inf, self.transport.get_write_buffer_size()
        while 0 < left < before and not self.transport.is_closing():
            self._writable.clear()
            with anyio.move_on_after(_FLUSH):
                await self._writable.wait()
            before, left = left, self.transport.get_write_buffer_size()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._writable.set()
        self._receiver.closed("the client closed stdout")


class _FileOutput:
    """What the client reads, where stdout is a file: writing to it doesn't wait for a reader."""

    in_pieces = True

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        del headers
        self.send_raw(encode(frame))

    def encoded(self, frame: Frame) -> bytes:
        return encode(frame)

    def send_raw(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._fd, left) :]

    async def drain(self) -> None:
        """A file is always ready."""

    async def flush(self) -> None:
        """Nothing is held back."""
