"""The clients of a tap: their connections, their sessions, and the backend session of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext

from mcptap.exchange import Backend, BackendSession, Channel, Session, client_address
from mcptap.model import Era, Json
from mcptap.protocol import client_of, era_of
from mcptap.tap.channel import NoChannel, SdkChannel, StandaloneChannel
from mcptap.tap.headers import era_of_message
from mcptap.tap.http_sessions import current_session
from mcptap.tap.private import connection_of
from mcptap.tap.stateless import StatelessSessions
from mcptap.tap.verbatim import is_verbatim

_STATE: Final = "mcptap"


class Downstream:
    """One client connection: a pipe, or a handshake session over HTTP.

    Args:
        backend: What answers.
        tasks: Owns a task for each open backend session.
        transport: What the client sees.
        channel: The way to the client outside any request.
        connection: What its sessions share; the downstream itself by default.

    Attributes:
        lost: Set when what its sessions were opened at is gone, so that none of them can go on.
    """

    def __init__(
        self,
        backend: Backend,
        tasks: TaskGroup,
        transport: str,
        channel: Channel,
        connection: object = None,
    ) -> None:
        self._backend = backend
        self._tasks = tasks
        self.transport = transport
        self._channel = channel
        self._connection = connection or self
        self._sessions: dict[Era, Session] = {}
        self._backend_sessions: dict[Session, tuple[BackendSession, anyio.Event]] = {}
        self._opening = anyio.Lock()
        self.lost = anyio.Event()
        self._on_close: list[Callable[[], None]] = []
        self._siblings: list[Downstream] = []

    @property
    def channel(self) -> Channel:
        """The way to the client outside any request."""
        return self._channel

    def on_close(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when the connection is closed."""
        self._on_close.append(callback)

    def sibling(self) -> Downstream:
        """Another connection to the backend for the same client; it is closed with this one."""
        self._siblings.append(Downstream(self._backend, self._tasks, self.transport, self._channel))
        return self._siblings[-1]

    def session(self, method: str, params: Json | None, *, notification: bool) -> Session:
        """The session that a message belongs to.

        A pipe may see both eras: a client probes with the modern one and falls back. A notification
        carries no version, so it belongs to the session that there is.
        """
        era = era_of(method, params)
        if notification and self._sessions:
            era = next(reversed(self._sessions))
        session = self._sessions.get(era)
        if session is None:
            session = self._sessions[era] = self.new_session(era, client_of(method, params))
        return session

    def new_session(self, era: Era, client: Json | None) -> Session:
        """A session of this connection."""
        return Session(
            era, self.transport, client, self._channel, self._connection, address=client_address.get()
        )

    async def backend_session(self, session: Session) -> BackendSession:
        """The backend's side of a session, opened with its first message.

        Raises:
            UpstreamError: The real server can't be reached.
        """
        found = self._backend_sessions.get(session)
        if found is None or self._opening.locked():  # none overtakes those that wait for the opening
            async with self._opening:
                found = self._backend_sessions.get(session)
                if found is None:
                    found = await self._tasks.start(self._host, session)
                    self._backend_sessions[session] = found
        return found[0]

    async def close(self) -> None:
        """Close the backend sessions."""
        for callback in self._on_close:
            callback()
        for sibling in self._siblings:
            await sibling.close()
        for session in list(self._backend_sessions):
            self.drop(session)

    def drop(self, session: Session) -> None:
        """Close one backend session, if it is open."""
        if found := self._backend_sessions.pop(session, None):
            found[1].set()

    async def _host(
        self, session: Session, *, task_status: TaskStatus[tuple[BackendSession, anyio.Event]]
    ) -> None:
        # A transport's contexts must be left by the task that entered them.
        async with self._backend.session(session) as opened:
            closed = anyio.Event()
            task_status.started((opened, closed))
            await closed.wait()


class Downstreams:
    """Finds the client connection of every message.

    Args:
        backend: What answers.
        tasks: Owns the backend sessions.
    """

    def __init__(self, backend: Backend, tasks: TaskGroup) -> None:
        self._backend = backend
        self._tasks = tasks
        self._stateless = Downstream(backend, tasks, "http", NoChannel(), connection=object())
        self._stateless_sessions = StatelessSessions(
            partial(self._stateless.new_session, "modern"), self._stateless.drop
        )

    def attach(self, connection: Connection, transport: str, *, verbatim: bool = False) -> Downstream:
        """Make the downstream of a connection that lasts; `Downstream.close` ends it."""
        found = cast("Downstream | None", connection.state.get(_STATE))
        if found is None:
            session = current_session()
            if session is None:
                channel: Channel = SdkChannel(connection.outbound, verbatim=verbatim)
            else:
                channel = standalone = StandaloneChannel(connection.outbound, session)
                self._tasks.start_soon(standalone.run)
                connection.exit_stack.callback(standalone.close)
            found = Downstream(self._backend, self._tasks, transport, channel)
            connection.state[_STATE] = found
            connection.exit_stack.push_async_callback(found.close)
            if session is not None:
                connection.exit_stack.callback(session.presence.end)
        return found

    def is_stateless(self, downstream: Downstream) -> bool:
        """Whether a connection is that of all stateless clients together."""
        return downstream is self._stateless

    def detached(self) -> Downstream:
        """A connection to the backend for a client that has none of its own; `Downstream.close` ends it."""
        return Downstream(self._backend, self._tasks, "http", NoChannel())

    def share(self, connection: Connection, downstream: Downstream) -> None:
        """Have a second connection object stand for the same client connection."""
        connection.state[_STATE] = downstream

    def find(self, context: ServerRequestContext[Any, Any]) -> tuple[Downstream, Session]:
        """The connection and the session of a message."""
        connection = connection_of(context)
        params = context.params
        notification = context.request_id is None
        attached = cast("Downstream | None", connection.state.get(_STATE))
        if attached is None and era_of_message(context.request, context.method, params) == "modern":
            return self._stateless, self._stateless_session(context, params)
        downstream = attached or self.attach(connection, "http", verbatim=is_verbatim(context.request))
        return downstream, downstream.session(context.method, params, notification=notification)

    def find_stateless(self, address: tuple[str, int] | None) -> tuple[Downstream, Session]:
        """The connection and the session of a notification of the modern era over HTTP."""
        return self._stateless, self._stateless_sessions.heard_on(address)

    def _stateless_session(self, context: ServerRequestContext[Any, Any], params: Json | None) -> Session:
        address = context.request.client if context.request is not None else None
        return self._stateless_sessions.find(
            (address.host, address.port) if address else None,
            client_of(context.method, params),
            context.request_id,
            begins=context.method == "server/discover",
        )
