"""A child process as a link: the command of a stdio server.

asyncio's own pipes are used on both sides of mcptap: the SDK's worker threads cost 0.8 ms a call more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import anyio

from mcptap.errors import UpstreamError
from mcptap.tap.link import Frame, Link, Opener, Receiver
from mcptap.tap.link.lines import HOPELESS, LineReader, encode

# Together under the 2 s in which every command of mcptap ends.
_GRACE_AFTER_EOF: Final = 0.4
_GRACE_AFTER_TERM: Final = 0.2
# A child that has ended may have left output in the pipe; one that closed its output is about to end.
_SETTLE: Final = 0.2
_STDIN, _STDOUT = 0, 1


def check_command(argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    """Say early that a command can't be started.

    Raises:
        UpstreamError: There is no such program, or it isn't executable.
    """
    path = (env or os.environ).get("PATH")
    if shutil.which(argv[0], path=path) is None:
        raise UpstreamError(
            f"the command {argv[0]!r} was not found or is not executable",
            "check its spelling and PATH: what stands after -- is run as it is, without a shell",
        )


def process_opener(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | Path | None = None
) -> Opener:
    """An opener that starts ``argv`` anew for every link and ends it, with all its children, after.

    Args:
        argv: The program and its arguments; there is no shell.
        env: The whole environment of the child; ``None`` hands on mcptap's own.
        cwd: Its working directory; ``None`` for mcptap's own.
    """

    @contextlib.asynccontextmanager
    async def open_process(receiver: Receiver) -> AsyncIterator[Link]:
        check_command(argv, env)
        loop = asyncio.get_running_loop()
        child = _Child(receiver, argv[0])
        try:
            # A group of its own: a signal for mcptap's group must reach the child through mcptap, and
            # what the child has started can be ended with it. Shielded, or a child that is cancelled
            # while it starts would be killed instead of stopped, and look as if it had failed.
            with anyio.CancelScope(shield=True):
                await loop.subprocess_exec(
                    lambda: child, *argv, stderr=None, env=env, cwd=cwd, start_new_session=True
                )
        except OSError as error:
            why = error.strerror or error
            raise UpstreamError(f"the command {argv[0]!r} could not be started: {why}") from None
        try:
            yield child
        finally:
            with anyio.CancelScope(shield=True):
                await child.stop()

    return open_process


class _Child(asyncio.SubprocessProtocol):
    """A running child: what it prints goes to a receiver, what is sent goes to its stdin."""

    def __init__(self, receiver: Receiver, command: str) -> None:
        self._receiver = receiver
        self._command = command
        self._lines = LineReader(receiver.received, self._rubbish)
        self._process: asyncio.SubprocessTransport
        self._stdin: asyncio.WriteTransport
        self._writable = asyncio.Event()
        self._writable.set()
        self._exited = asyncio.Event()
        self._told = False

    def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        del headers
        if not self._stdin.is_closing():
            self._stdin.write(encode(frame))

    async def drain(self) -> None:
        await self._writable.wait()

    async def stop(self) -> None:
        """Close its stdin, then signal it and everything that it has started and left running."""
        self._told = True
        self._stdin.close()
        if not await self._exits_within(_GRACE_AFTER_EOF):
            self._signal_group(signal.SIGTERM)
            await self._exits_within(_GRACE_AFTER_TERM)
        elif self._signal_group(signal.SIGTERM):
            await anyio.sleep(_SETTLE)
        self._signal_group(signal.SIGKILL)
        await self._exits_within(_GRACE_AFTER_TERM)
        self._process.close()

    async def _exits_within(self, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            await self._exited.wait()
        return self._exited.is_set()

    def _signal_group(self, number: signal.Signals) -> bool:
        """Signal the child's process group; whether there was anybody in it."""
        try:
            os.killpg(self._process.get_pid(), number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _tell(self) -> None:
        """Tell the receiver, once, that the child is gone and how it ended."""
        if self._told:
            return
        self._told = True
        code = self._process.get_returncode()
        if code is None:
            how = "closed its output"
        else:
            how = f"was ended by signal {-code}" if code < 0 else f"exited with code {code}"
        self._receiver.closed(f"the server {self._command!r} {how}")

    def _rubbish(self, line: bytes, nothing_else: bool) -> None:
        sample = line[:60].decode(errors="replace").strip()
        if self._lines.rubbish == 1:
            self._receiver.warned(
                f"the server {self._command!r} printed what is not JSON-RPC on stdout, ignored: {sample!r}"
            )
        elif nothing_else and not self._told:
            self._told = True
            self._receiver.closed(
                f"the server {self._command!r} doesn't speak MCP: its first {HOPELESS} lines are no JSON-RPC"
            )

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport", self._process.get_pipe_transport(_STDIN))

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        if fd == _STDOUT and not self._told:
            self._lines.feed(cast("bytes", data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc
        self._writable.set()
        if fd == _STDOUT:
            self._lines.finish()
            asyncio.get_running_loop().call_later(_SETTLE, self._tell)

    def process_exited(self) -> None:
        self._exited.set()
        asyncio.get_running_loop().call_later(_SETTLE, self._tell)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._tell()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
