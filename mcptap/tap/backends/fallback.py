"""A recording that is asked first, and the real server for what that doesn't have."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Self

import anyio
from anyio.abc import TaskGroup, TaskStatus

from mcptap.exchange import Backend, BackendSession, Exchange, Session, on_behalf_of
from mcptap.matching.miss import Miss
from mcptap.model import Json
from mcptap.tap.backends.replay import CassetteBackend, CassetteSession
from mcptap.tap.backends.wrapping import entered
from mcptap.tap.channel import NoChannel

_INITIALIZED = "notifications/initialized"


class Fallback:
    """Answers from a cassette, and passes on to the real server what would be a miss.

    The real server is asked only then: until its first miss a client session has none. In the handshake
    era the session begins there as the client has begun it here. All else that was answered from the
    cassette, the real server has not seen.

    Args:
        recorded: The cassette.
        live: The real server, in `Recorded` where what it says is to be recorded.
        report: Told of every request that is forwarded, and why: none is forwarded silently.
    """

    def __init__(self, recorded: CassetteBackend, live: Backend, report: Callable[[str], None]) -> None:
        self.recorded = recorded
        self.live = live
        self.report = report
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Enter the live backend."""
        await self._open.enter_async_context(entered(self.live))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._open.aclose()

    @contextlib.asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[BackendSession]:
        """Open a session of the cassette; see `Backend.session`."""
        async with self.recorded.session(session) as recorded, anyio.create_task_group() as tasks:
            yield _FallbackSession(self, session, recorded, tasks)
            tasks.cancel_scope.cancel()


class _FallbackSession:
    def __init__(
        self, backend: Fallback, session: Session, recorded: CassetteSession, tasks: TaskGroup
    ) -> None:
        self._backend = backend
        self._session = session
        self._recorded = recorded
        self._tasks = tasks
        self._live: BackendSession | None = None
        self._opening = anyio.Lock()
        self._initialize: Exchange | None = None
        self._initialized = False

    async def request(self, exchange: Exchange) -> Json:
        """Answer one request; see `BackendSession.request`."""
        if exchange.method == "initialize":
            self._initialize = exchange
        found = self._recorded.find(exchange)
        if not isinstance(found, Miss):
            return await self._recorded.play(exchange, found)
        self._recorded.forwarded()
        exchange.notes["miss"] = found.reason
        self._backend.report(f"forwarded to the server: {found.sentence}")
        live = await self._opened(exchange)
        return await live.request(exchange)

    async def notify(self, method: str, params: Json | None) -> None:
        """Take a notification: the real server gets it too, once it is asked anything."""
        self._initialized = self._initialized or method == _INITIALIZED
        await self._recorded.notify(method, params)
        if self._live is not None:
            await self._live.notify(method, params)

    async def _opened(self, exchange: Exchange) -> BackendSession:
        """The session of the real server, begun as the client has begun this one."""
        async with self._opening:
            if self._live is None:
                live: BackendSession = await self._tasks.start(self._host)
                if self._initialize is not None and exchange is not self._initialize:
                    await on_behalf_of(exchange, self._begin(live, self._initialize, exchange))
                self._live = live
        return self._live

    async def _begin(self, live: BackendSession, initialize: Exchange, exchange: Exchange) -> None:
        again = Exchange(
            self._session,
            initialize.method,
            initialize.params,
            NoChannel(),
            id=initialize.id,
            headers=initialize.headers,
            span=exchange.span,
        )
        try:
            await live.request(again)
        finally:
            exchange.had_to_wait_for(again)
        if self._initialized:
            await live.notify(_INITIALIZED, None)

    async def _host(self, *, task_status: TaskStatus[BackendSession]) -> None:
        # A transport's contexts must be left by the task that entered them.
        async with self._backend.live.session(self._session) as opened:
            task_status.started(opened)
            await anyio.sleep_forever()
