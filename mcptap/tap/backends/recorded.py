"""Recording what goes through one backend, and nothing that another one beside it says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Self

from mcptap.exchange import Backend, BackendSession, Exchange, Session
from mcptap.model import Json
from mcptap.recorder import Recorder
from mcptap.tap.backends.wrapping import entered
from mcptap.tap.channel import WireError, as_result, in_wire_form
from mcptap.tap.recording import hear, record_request, reported


class Recorded:
    """Records every request that reaches a backend, with its outcome.

    `TapMiddleware` records what a client gets; this records what one of several backends says, so it
    stands inside whatever else answers in its place or changes its answers.

    Args:
        backend: What answers.
        recorder: Where it goes.

    Attributes:
        backend: The same.
    """

    def __init__(self, backend: Backend, recorder: Recorder) -> None:
        self.backend = backend
        self._recorder = recorder
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Enter the backend."""
        await self._open.enter_async_context(entered(self.backend))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._open.aclose()

    @contextlib.asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[BackendSession]:
        """Open a session; see `Backend.session`."""
        # A session of its own: what others say to the client outside requests is not recorded.
        own = replace(session)
        async with self.backend.session(own) as opened:
            yield _RecordedSession(opened, own, self._recorder)


class _RecordedSession:
    def __init__(self, inner: BackendSession, session: Session, recorder: Recorder) -> None:
        self._inner = inner
        self._session = session
        self._recorder = recorder

    async def request(self, exchange: Exchange) -> Json:
        """Record one request; see `BackendSession.request`."""

        async def answer() -> Json:
            with in_wire_form():
                return await self._inner.request(exchange)

        clients, exchange.session = exchange.session, self._session
        try:
            return await record_request(self._recorder, exchange, answer, as_result)
        except WireError as error:
            raise error.kind(error.raw) from None
        finally:
            exchange.session = clients

    async def notify(self, method: str, params: Json | None) -> None:
        """Record one notification of the client, and pass it on."""
        try:
            with reported():
                hear(self._recorder, self._session)
                self._recorder.message(self._session, "client", method, params)
        except WireError as error:
            raise error.kind(error.raw) from None
        await self._inner.notify(method, params)
