"""A client's session with one server, live or replayed: it asks what the script says, in order."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastmcp import Client
from mcp import MCPError

from mcptap.demo.script import Script, Step
from mcptap.demo.wire import WatchedTransport
from mcptap.errors import UpstreamError
from mcptap.model import Json
from mcptap.protocol import PROGRESS_TOKEN

_TIMEOUT: Final = 30.0
_MCPTAP_SAYS: Final = "mcptap: "
_LIVE_BOUND: Final = frozenset({"jsonrpc", "id"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request.

    Attributes:
        events: What the server said and asked before its answer, and what the client replied.
        outcome: Its ``result`` or its ``error``, as the only member.
        ms: How long it took; ``None`` for the opening, which waits for the server's start.
    """

    events: tuple[Json, ...]
    outcome: Json
    ms: float | None

    def as_json(self) -> Json:
        """The whole of it but the time."""
        return {"events": list(self.events), **self.outcome}


class Session:
    """An open session; made by `open_session`."""

    def __init__(self, script: Script, argv: list[str], log: Path) -> None:
        self._script = script
        self._log = log
        self._arrived: list[Json] = []
        transport = WatchedTransport(
            argv, self._arrive, log_file=log, env=dict(os.environ), cwd=str(log.parent)
        )
        self.client: Client[Any] = Client(
            transport,
            mode=script.mode,
            elicitation_handler=self._elicited,
            timeout=_TIMEOUT,
            init_timeout=_TIMEOUT,
        )
        self._opening: Answer

    def opened(self) -> None:
        """Keep what has come so far as the answer to the opening."""
        self._opening = self._taken(None)

    async def ask_all(self) -> list[Answer]:
        """Ask everything that the script says; the opening comes first in what is given.

        Raises:
            UpstreamError: An answer doesn't come.
        """
        with self.explained():
            return [self._opening, *[await self._ask(step) for step in self._script.asked]]

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Make one sentence of whatever goes wrong, with what was said about it on stderr."""
        try:
            yield
        except Exception as error:
            lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
            said = [line for line in lines if line.startswith(_MCPTAP_SAYS)]
            why = said[0].removeprefix(_MCPTAP_SAYS) if said else str(error) or type(error).__name__
            raise UpstreamError(f"the demo failed at {self._script.name}: {why}") from error

    async def _ask(self, step: Step) -> Answer:
        began = time.perf_counter()
        with contextlib.suppress(MCPError):  # it arrived as a message, and is kept as such
            if step.tool is not None:
                await self.client.call_tool_mcp(step.tool, dict(step.arguments))
            else:
                await self.client.list_tools_mcp()
        return self._taken((time.perf_counter() - began) * 1000)

    def _taken(self, ms: float | None) -> Answer:
        if not self._arrived or "method" in self._arrived[-1]:
            raise UpstreamError("no answer came")
        *events, outcome = self._arrived
        self._arrived.clear()
        return Answer(tuple(events), outcome, ms)

    def _arrive(self, message: Json) -> None:
        """Keep a message without what is another one in each session."""
        kept = {name: value for name, value in message.items() if name not in _LIVE_BOUND}
        if isinstance(params := kept.get("params"), dict):
            kept["params"] = {name: value for name, value in params.items() if name != PROGRESS_TOKEN}
        self._arrived.append(kept)

    async def _elicited(self, *_: Any) -> str:
        self._arrived.append({"reply": self._script.reply})
        return self._script.reply


@contextlib.asynccontextmanager
async def open_session(script: Script, argv: list[str], log: Path) -> AsyncIterator[Session]:
    """Start ``argv`` and open a session with it.

    Args:
        script: What is going to be asked.
        argv: The server, or the mcptap that stands in for it.
        log: Gets what it prints on stderr.

    Raises:
        UpstreamError: It can't be started, or doesn't answer.
    """
    session = Session(script, argv, log)
    async with contextlib.AsyncExitStack() as stack:
        with session.explained():
            await stack.enter_async_context(session.client)
            session.opened()
        yield session
