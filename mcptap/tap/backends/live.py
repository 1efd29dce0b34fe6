"""The real server as a backend.

Sessions that share a client connection share an upstream connection; each request is routed by its
own id and progress token, so nothing of one client reaches another.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import anyio
from anyio.abc import TaskGroup, TaskStatus

from mcptap.errors import McptapError, UpstreamError
from mcptap.exchange import Exchange, RpcError, Session, UnansweredError
from mcptap.model import Json, Target
from mcptap.protocol import (
    META,
    METHOD_NOT_FOUND,
    PROGRESS_TOKEN,
    STREAM_CLOSED,
    SUBSCRIPTION_META,
    meta_of,
    progress_token_of,
)
from mcptap.tap.headers import upstream_headers
from mcptap.tap.link import Id, Opener
from mcptap.tap.peer import CANCELLED, Inbound, Peer

_SLOW: Final = 10.0
_PROGRESS: Final = "notifications/progress"
_OUTSIDE_REQUESTS: Final = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
    }
)


@dataclass(frozen=True)
class Upstream:
    """A real server that can be connected to.

    Attributes:
        target: What the cassette's header says of it.
        connect: Makes ready what all connections share (an HTTP client), and gives their opener.
        check: Raises `UpstreamError` where it is plain already that nobody can be reached.
    """

    target: Target
    connect: Callable[[], AbstractAsyncContextManager[Opener]]
    check: Callable[[], Awaitable[None]]


class LiveBackend:
    """Asks the real server.

    Args:
        upstream: The server.
        on_lost: Told why a connection ended that a client was still using; it is named by what its
            sessions share (`Session.connection`).
        on_trouble: Told why a request got no answer.
        report: Takes lines for the user.
        schema_of: Gives the schema of a tool whose arguments are mirrored in headers.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        on_lost: Callable[[object, str], None],
        on_trouble: Callable[[McptapError], None],
        report: Callable[[str], None],
        schema_of: Callable[[str], Mapping[str, Any] | None],
    ) -> None:
        self.upstream = upstream
        self.on_lost = on_lost
        self.on_trouble = on_trouble
        self.report = report
        self.schema_of = schema_of
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
        try:
            yield _LiveSession(connection)
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

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def request(self, exchange: Exchange) -> Json:
        return await self._connection.request(exchange)

    async def notify(self, method: str, params: Json | None) -> None:
        await self._connection.peer.notify(method, params)


class _Connection:
    """One connection to the server, and what is in flight on it."""

    def __init__(self, backend: LiveBackend, key: object, tasks: TaskGroup) -> None:
        self._backend = backend
        self._key = key
        self._exchanges: dict[Id, Exchange] = {}
        self._tokens: dict[Id, Id] = {}
        self._version: str | None = None
        self._slow = False
        self._say, self._said = anyio.create_memory_object_stream[tuple[str, Json | None]](float("inf"))
        self.peer = Peer(self, tasks)
        self.sessions: list[Session] = []
        self.released = anyio.Event()

    async def request(self, exchange: Exchange) -> Json:
        """Send one request and give out the server's answer."""
        number = self.peer.next_id()
        params, token = exchange.params, progress_token_of(exchange.params)
        if params is not None and token is not None:
            if token in self._tokens:
                # Two stateless clients may have chosen the same token; on the wire it must be one's own.
                token = f"mcptap-{number}"
                params = {**params, META: {**meta_of(params), PROGRESS_TOKEN: token}}
            self._tokens[token] = number
        self._exchanges[number] = exchange
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
            self._backend.on_trouble(UpstreamError(str(error)))
            raise
        finally:
            slow.cancel()
            exchange.answered_at = time.perf_counter()
            del self._exchanges[number]
            if token is not None:
                self._tokens.pop(token, None)
        if exchange.method == "initialize" and isinstance(result.get("protocolVersion"), str):
            self._version = result["protocolVersion"]
        return result

    def _is_slow(self, method: str) -> None:
        """Say once that the server lets a request wait, so that nobody suspects mcptap."""
        if not self._slow and method != "subscriptions/listen":
            self._slow = True
            where = " ".join(self._backend.upstream.target.target)
            self._backend.report(f"still waiting for {where} to answer {method} ({_SLOW:g} s)")

    async def speak(self) -> None:
        """Tell the session, in order, what the server says outside any request."""
        async for method, params in self._said:
            if self.sessions:
                await self.sessions[-1].channel.notify(method, params)

    # What the peer calls.

    async def on_request(self, inbound: Inbound) -> Json:
        exchange = self._exchange_of(inbound.method, inbound.params, inbound.origin)
        if exchange is not None:
            return await exchange.ask(inbound.method, inbound.params)
        if not self.sessions:
            raise RpcError.of(METHOD_NOT_FOUND, "No client is there to answer")
        return await self.sessions[-1].channel.ask(inbound.method, inbound.params)

    def on_notification(self, method: str, params: Json | None, origin: Id | None) -> None:
        if method == CANCELLED:
            return  # the server takes back a request of its own: the peer has ended it
        exchange = self._exchange_of(method, params, origin)
        if exchange is None:
            if method != STREAM_CLOSED:  # the stream of a request that was taken back
                self._say.send_nowait((method, params))
            return
        number = next(number for number, known in self._exchanges.items() if known is exchange)
        if call := self.peer.calls.get(number):
            call.deliver(partial(exchange.notify, method, _for_client(params, exchange)))

    def on_warning(self, message: str) -> None:
        self._backend.report(message)

    def on_closed(self, reason: str) -> None:
        self._backend.on_lost(self._key, reason)

    def _exchange_of(self, method: str, params: Json | None, origin: Id | None) -> Exchange | None:
        """The request that a message of the server belongs to, where that can be told at all."""
        number = origin
        if method == _PROGRESS and params is not None:
            number = self._tokens.get(params.get(PROGRESS_TOKEN, ""), origin)
        elif (subscription := meta_of(params).get(SUBSCRIPTION_META)) is not None:
            number = int(subscription) if str(subscription).isdigit() else subscription
        elif number is None and len(self._exchanges) == 1 and method not in _OUTSIDE_REQUESTS:
            (number,) = self._exchanges
        return self._exchanges.get(number) if number is not None else None


def _for_client(params: Json | None, exchange: Exchange) -> Json | None:
    """A notification's params with the client's own progress token and request id in them."""
    if params is None:
        return None
    token = progress_token_of(exchange.params)
    if PROGRESS_TOKEN in params and token is not None:
        params = {**params, PROGRESS_TOKEN: token}
    if SUBSCRIPTION_META in meta_of(params):
        params = {**params, META: {**meta_of(params), SUBSCRIPTION_META: exchange.id}}
    return params


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
