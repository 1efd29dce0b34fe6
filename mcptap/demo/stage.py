"""The two acts of the demo: record the sessions live, and have them again from the cassettes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from mcptap.demo.processes import Process, child_of, is_gone
from mcptap.demo.script import SCRIPTS, Script, cassette_of
from mcptap.demo.session import Answer, Session, open_session
from mcptap.errors import UpstreamError

Answers: TypeAlias = Mapping[str, list[Answer]]
"""The answers of each script, by its name."""

Tell: TypeAlias = Callable[[str, str], None]
"""Takes what is happening: a word for it, and a sentence."""

_MCPTAP: Final = (sys.executable, "-m", "mcptap")
_GONE_WITHIN: Final = 5.0
_GONE_POLL: Final = 0.05


async def record(folder: Path, scratch: Path, tell: Tell) -> Answers:
    """Play every script with its real server behind ``mcptap record``, and stop the servers.

    Raises:
        UpstreamError: Something failed, or a server is still there.
    """
    commands = {script: _recording(script, cassette_of(script, folder)) for script in SCRIPTS}
    async with _sessions(commands, scratch) as sessions:
        servers = {script.name: child_of(str(cassette_of(script, folder))) for script in SCRIPTS}
        tell("recording", "a client's session with each of them")
        answers = await _ask_all(sessions)
        tell("stopping", "the proxies, and the servers with them")
    for name, process in servers.items():
        await _gone(name, process)
        tell("stopped", f"{name}: its process {process.pid} is gone")
    return answers


async def replay(folder: Path, scratch: Path, tell: Tell) -> Answers:
    """Play every script again, with ``mcptap replay`` and no server.

    Raises:
        UpstreamError: Something failed.
    """
    tell("replaying", "the same sessions, answered by `mcptap replay`")
    commands = {script: [*_MCPTAP, "replay", str(cassette_of(script, folder))] for script in SCRIPTS}
    async with _sessions(commands, scratch) as sessions:
        return await _ask_all(sessions)


def _recording(script: Script, cassette: Path) -> list[str]:
    return [*_MCPTAP, "record", "-o", str(cassette), "--name", script.name, "--", *script.argv]


@contextlib.asynccontextmanager
async def _sessions(
    commands: Mapping[Script, list[str]], scratch: Path
) -> AsyncIterator[dict[Script, Session]]:
    """Open a session with each command: all at once, since what takes time is to start Python."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            async with asyncio.TaskGroup() as tasks:
                opening = {
                    script: tasks.create_task(
                        stack.enter_async_context(open_session(script, argv, scratch / f"{script.name}.log"))
                    )
                    for script, argv in commands.items()
                }
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        yield {script: task.result() for script, task in opening.items()}


async def _ask_all(sessions: Mapping[Script, Session]) -> Answers:
    """Ask one server after the other, so that neither slows the other down."""
    return {script.name: await session.ask_all() for script, session in sessions.items()}


async def _gone(name: str, process: Process) -> None:
    give_up_at = asyncio.get_running_loop().time() + _GONE_WITHIN
    while not is_gone(process):
        if asyncio.get_running_loop().time() > give_up_at:
            raise UpstreamError(f"{name} is still running (process {process.pid}), so nothing is proven")
        await asyncio.sleep(_GONE_POLL)
