"""The real server as a backend.

Sessions that share a client connection share an upstream connection; what the server says goes to the
request that it belongs to (`mcptap.tap.backends.routing`), so nothing of one client reaches another.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Self

import anyio
from anyio.abc import TaskGroup, TaskStatus

from mcptap.errors import McptapError, UpstreamError
from mcptap.exchange import Exchange, RpcError, Session, UnansweredError, passed_on_id, taken_back
from mcptap.model import Json, Target
from mcptap.protocol import LISTEN, METHOD_NOT_FOUND, STREAM_CLOSED
from mcptap.tap.backends.routing import Routing
from mcptap.tap.headers import notification_headers, upstream_headers
from mcptap.tap.link import Id, Opener
from mcptap.tap.peer import CANCELLED, Inbound, Peer

_SLOW: Final = 10.0


@dataclass(frozen=True)
class Upstream:
    """A real server that can be connected to.

    Attributes:
        target: What the cassette's header says of it.
        connect: Makes ready what all connections share (an HTTP client), and gives their opener.
        check: Raises `UpstreamError` where it is plain already that nobody can be reached.
        given: What the server is sent beside the messages, by name: the user's headers, and its URL.
    """

    target: Target
    connect: Callable[[], AbstractAsyncContextManager[Opener]]
    check: Callable[[], Awaitable[None]]
    given: Mapping[str, str] = field(default_factory=dict)


class LiveBackend:
    """Asks the real server.

    Args:
        upstream: The server.
        on_lost: Told why a connection ended that a client was still using; it is named by what its
            sessions share (`Session.connection`).
        on_trouble: Told why a request got no answer.
        on_stray: Told of a notification or a server request (with the error that it was answered with)
            of which can't be told whose it is, so that nobody gets it.
        report: Takes lines for the user.
        schema_of: Gives the schema of a tool whose arguments are mirrored in headers.

    Attributes:
        reconnects: How many connections were opened in the place of broken ones, and how many sessions
            were begun on one in the place of those that the server had forgotten.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        on_lost: Callable[[object, str], None],
        on_trouble: Callable[[McptapError], None],
        on_stray: Callable[[str, Json | None, Json | None], None],
        report: Callable[[str], None],
        schema_of: Callable[[str], Mapping[str, Any] | None],
    ) -> None:
        self.upstream = upstream
        self.on_lost = on_lost
        self.on_trouble = on_trouble
        self.on_stray = on_stray
        self.report = report
        self.schema_of = schema_of
        self.reconnects = 0
        self._tasks: TaskGroup
        self._opener: Opener
        self._shared = contextlib.AsyncExitStack()
        self._connections: dict[object, _Connection] = {}
        self._opening = anyio.Lock()

    async def __aenter__(self) -> Self:
        self._opener = await self._shared.enter_async_context(self.upstream.connect())
        self._tasks = await self._shared.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._tasks.cancel_scope.cancel()
        await self._shared.aclose()

    @contextlib.asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[_LiveSession]:
        """Open a session; see `Backend.session`."""
        try:
            connection = await self._connect(session.connection)
        except McptapError as error:
            self.on_trouble(error)
            raise
        connection.sessions.append(session)
        connection.attached.set()
        try:
            yield _LiveSession(connection, session)
        finally:
            connection.sessions.remove(session)
            if not connection.sessions:
                if self._connections.get(session.connection) is connection:
                    del self._connections[session.connection]
                connection.released.set()

    async def prepare(self, connection: object) -> None:
        """Connect before the first session of a client connection needs it.

        Raises:
            UpstreamError: The server can't be reached.
        """
        await self.upstream.check()
        await self._connect(connection)

    async def _connect(self, key: object) -> _Connection:
        found = self._connections.get(key)
        if found is None or found.peer.ended is not None:
            async with self._opening:
                found = self._connections.get(key)
                if found is None or found.peer.ended is not None:
                    self.reconnects += found is not None
                    found = await self._tasks.start(self._host, key)
                    self._connections[key] = found
        return found

    async def _host(self, key: object, *, task_status: TaskStatus[_Connection]) -> None:
        """Hold one connection: a transport's contexts must be left by the task that entered them."""
        connection: _Connection | None = None
        try:
            async with anyio.create_task_group() as tasks:
                connection = _Connection(self, key, tasks)
                async with self._opener(connection.peer) as link:
                    connection.peer.link = link
                    tasks.start_soon(connection.speak)
                    task_status.started(connection)
                    await connection.released.wait()
                    tasks.cancel_scope.cancel()
        except Exception as error:
            cause = _innermost(error)
            why = cause.message if isinstance(cause, McptapError) else f"{type(cause).__name__}: {cause}"
            if connection is None or not hasattr(connection.peer, "link"):
                raise cause if isinstance(cause, McptapError) else UpstreamError(why) from error
            connection.peer.closed(f"the connection to the server broke: {why}")


class _LiveSession:
    """One client session's way to the server."""

    def __init__(self, connection: _Connection, session: Session) -> None:
        self._connection = connection
        self._headers = notification_headers(session.era)

    async def request(self, exchange: Exchange) -> Json:
        return await self._connection.request(exchange)

    async def notify(self, method: str, params: Json | None) -> None:
        await self._connection.peer.notify(method, params, self._headers)


class _Connection:
    """One connection to the server, and what is in flight on it."""

    def __init__(self, backend: LiveBackend, key: object, tasks: TaskGroup) -> None:
        self._backend = backend
        self._key = key
        self._routing = Routing()
        self._version: str | None = None
        self._session_id: str | None = None
        self._slow = False
        self._say, self._said = anyio.create_memory_object_stream[tuple[str, Json | None]](float("inf"))
        self.peer = Peer(self, tasks)
        self.sessions: list[Session] = []
        self.attached = anyio.Event()
        self.released = anyio.Event()

    async def request(self, exchange: Exchange) -> Json:
        """Send one request and give out the server's answer."""
        number = self.peer.next_id()
        params = self._routing.open(number, exchange)
        answered = True
        exchange.sent_as = number
        exchange.sent_at = time.perf_counter()
        slow = asyncio.get_running_loop().call_later(_SLOW, self._is_slow, exchange.method)
        try:
            result = await self.peer.request(
                exchange.method,
                params,
                request_id=number,
                headers=upstream_headers(exchange, self._version, self._backend.schema_of),
                cancelled=exchange.cancelled,
            )
        except UnansweredError as error:
            if not isinstance(error, exchange.tolerated):
                self._backend.on_trouble(UpstreamError(str(error)))
            raise
        except anyio.get_cancelled_exc_class():
            answered = False
            raise
        finally:
            slow.cancel()
            exchange.answered_at = time.perf_counter()
            self._in_session(exchange)
            self._routing.close(number, answered=answered)
        if exchange.method == "initialize" and isinstance(result.get("protocolVersion"), str):
            self._version = result["protocolVersion"]
        return result

    def _in_session(self, exchange: Exchange) -> None:
        """Take note of the server's own id of the session, which only a new session changes."""
        exchange.sent_in = getattr(self.peer.link, "session_id", None)
        if self._session_id not in {None, exchange.sent_in} and exchange.method != "initialize":
            self._backend.reconnects += 1
        self._session_id = exchange.sent_in

    def _is_slow(self, method: str) -> None:
        """Say once that the server lets a request wait, so that nobody suspects mcptap."""
        if not self._slow and method != LISTEN:
            self._slow = True
            where = " ".join(self._backend.upstream.target.target)
            self._backend.report(f"still waiting for {where} to answer {method} ({_SLOW:g} s)")

    async def speak(self) -> None:
        """Tell the client, in order, what the server says outside any request."""
        await self.attached.wait()
        async for method, params in self._said:
            if (client := self._only_client()) is not None:
                await client.channel.notify(method, params)
            else:
                self._backend.on_stray(method, params, None)

    def _only_client(self) -> Session | None:
        """The session of the one client that the connection is for; ``None`` where several share it."""
        latest = self.sessions[-1] if self.sessions else None
        return None if latest is None or latest.stateless else latest

    # What the peer calls.

    async def on_request(self, inbound: Inbound) -> Json:
        method, params = inbound.method, inbound.params
        route = self._routing.find(method, params, inbound.origin)
        passed_on_id.set(inbound.id)  # it is answered by a task of its own
        taken_back.set(lambda: inbound.cancelled)
        if route is not None:
            return await route.exchange.ask(method, params)
        client = self._only_client()
        if client is None:
            refusal = RpcError.of(METHOD_NOT_FOUND, "It can't be told which client is asked")
            self._backend.on_stray(method, params, refusal.error)
            raise refusal
        return await client.channel.ask(method, params)

    def on_notification(self, method: str, params: Json | None, origin: Id | None) -> None:
        if method == CANCELLED:
            return  # the server takes back a request of its own: the peer has ended it
        route = self._routing.find(method, params, origin)
        if route is None:
            if method != STREAM_CLOSED:  # the stream of a request that was taken back
                self._say.send_nowait((method, params))
        elif call := self.peer.calls.get(route.number):
            call.deliver(partial(route.exchange.notify, method, route.for_client(params)))

    def on_warning(self, message: str) -> None:
        self._backend.report(message)

    def on_closed(self, reason: str) -> None:
        if not any(exchange.tolerated is UnansweredError for exchange in self._routing.in_flight()):
            self._backend.on_lost(self._key, reason)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
