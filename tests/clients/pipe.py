"""A raw client over the pipes of a process that it starts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from tests.clients.base import Client, Params, compose
from tests.clients.exact import Message, spell

_LINE_LIMIT = 1 << 28
_POLL = 0.01


class PipeClient(Client):
    """Starts ``argv`` and speaks newline-JSON with it.

    The process leads a group of its own; `close` ends the whole group, so a test leaves nothing
    behind even where the proxy under test does.

    Attributes:
        rubbish: Lines on stdout that were no JSON object.
        stderr: What the process wrote there.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.argv = list(argv)
        self.rubbish: list[str] = []
        self._env = env
        self._cwd = cwd
        self._stderr = bytearray()
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self._ended = False

    @property
    def stderr(self) -> str:
        return self._stderr.decode(errors="replace")

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            *self.argv,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=self._env,
            cwd=self._cwd,
            limit=_LINE_LIMIT,
            start_new_session=True,
        )
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self._stdin = self.process.stdin
        self._spawn(self._read(self.process.stdout))
        self._spawn(self._read_stderr(self.process.stderr))

    async def request(
        self,
        method: str,
        params: Params = None,
        *,
        id: int | str | None = None,  # noqa: A002
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Message:
        identity = self.next_id() if id is None else id
        answer = asyncio.get_running_loop().create_future()
        self._answers[spell(identity)] = answer
        seconds = self.timeout if timeout is None else timeout
        async with self._within(seconds, f"{method} (id {identity!r})"):
            if self._ended:
                raise ConnectionError(f"stdout is closed{self._describe()}")
            await self.send_line(compose(method, self._spell(params, envelope=True), identity=identity))
            message: Message = await answer
            return message

    async def notify(self, method: str, params: Params = None) -> None:
        await self.send_line(compose(method, self._spell(params, envelope=False)))

    async def respond(self, request: Message, reply: Mapping[str, Any]) -> None:
        await self.send_line(spell({"jsonrpc": "2.0", "id": request.id, **reply}))

    async def send_line(self, text: str) -> None:
        """Send one line as it stands."""
        self._stdin.write(text.encode() + b"\n")
        async with self._within(self.timeout, "writing to stdin"):
            await self._stdin.drain()

    def close_stdin(self) -> None:
        self._stdin.close()

    async def wait(self, timeout: float | None = None) -> int:  # noqa: ASYNC109
        """Wait for the process to exit and give its return code.

        Process.wait would also wait for the pipes, which a grandchild may hold open.
        """
        async with self._within(self.timeout if timeout is None else timeout, "exit of the process"):
            while self.process.returncode is None:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(_POLL)
        return self.process.returncode

    async def close(self) -> None:
        """Close stdin, give the process 2 seconds, then end it and all that is left of its group."""
        self.close_stdin()
        with contextlib.suppress(TimeoutError):
            await self.wait(2)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.wait()
        await self._end_tasks()
        # asyncio keeps the transport open while a pipe is: close it, or it warns when collected.
        self.process._transport.close()  # type: ignore[attr-defined]

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            message = Message(line.decode().rstrip("\n"))
            if not message.body:
                self.rubbish.append(message.text)
                continue
            if message.method is None and (answer := self._answers.pop(spell(message.id), None)):
                self._answer(answer, message)
            self._receive(message)
        self._ended = True
        with contextlib.suppress(TimeoutError):  # so that the error can tell the return code
            await self.wait(0.5)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError(f"stdout was closed{self._describe()}"))

    @staticmethod
    def _answer(answer: asyncio.Future[Message], message: Message) -> None:
        if not answer.done():  # who asked may have given up
            answer.set_result(message)

    async def _read_stderr(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(1 << 16):
            self._stderr += chunk

    def _describe(self) -> str:
        return f"; return code {self.process.returncode}; stderr:\n{self.stderr[-4000:]}"
