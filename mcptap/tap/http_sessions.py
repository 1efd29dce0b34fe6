"""The handshake sessions of the HTTP front, what is in flight in each, and whether its client is there.

The SDK's session transport knows a request by the text of its id: 7 and "7" are one request to it, and
so are two requests with one id; "_GET_stream" is the stream outside any request. Its event store knows
a stream by that text alone, whatever session it is of. So every request gets an id of mcptap's own for
its way through the SDK, and events are kept by session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from http import HTTPStatus
from itertools import count
from math import inf
from typing import Any, Final, TypeAlias, TypeGuard
from weakref import WeakValueDictionary

import anyio

from mcptap.model import Json
from mcptap.tap.callers import Callers
from mcptap.tap.link import Id
from mcptap.tap.peer import CANCELLED
from mcptap.tap.stand_ins import id_stand_in

Header: TypeAlias = tuple[bytes, bytes]

_SESSION_HEADER: Final = b"mcp-session-id"
_REQUEST_ID: Final = "requestId"
_LISTENS_WITHIN: Final = 2.0
"""Seconds in which a client opens its stream outside any request, if it means to."""

_numbers: Final = count(1)
_serving: ContextVar[HttpSession | None] = ContextVar("mcptap_http_session", default=None)


class Asked:
    """A request of a client.

    Attributes:
        id: The client's id of it.
        stand_in: The SDK's.
        cancelled: The params of the client's cancel notification, once it has cancelled.
    """

    __slots__ = ("__weakref__", "cancelled", "id", "stand_in")

    def __init__(self, request_id: Id) -> None:
        self.id = request_id
        self.stand_in = id_stand_in(request_id)
        self.cancelled: Json | None = None


class Presence:
    """Whether a client is there, by the HTTP requests that it has open."""

    def __init__(self) -> None:
        self._open = 0
        self._over = False
        self._changed = anyio.Event()

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Have a request open inside the context."""
        self._open += 1
        self._change()
        try:
            yield
        finally:
            self._open -= 1
            self._change()

    def end(self) -> None:
        """Learn that the client has ended its session."""
        self._over = True
        self._change()

    async def absent(self, seconds: float) -> bool:
        """Wait until the client has had nothing open for so many seconds.

        Returns:
            Whether it is so; if not, the client has ended its session before.
        """
        while not self._over:
            changed = self._changed
            with anyio.move_on_after(inf if self._open else seconds):
                await changed.wait()
            if not changed.is_set():
                return True
        return False

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class HttpSession:
    """One session over HTTP.

    Args:
        callers: The processes that its client is.

    Attributes:
        number: Tells it from all others.
        presence: Whether its client is there.
        callers: The processes that its client is.
    """

    def __init__(self, callers: Callers) -> None:
        self.number = next(_numbers)
        self.presence = Presence()
        self.callers = callers
        # Those that somebody still deals with; of two with one id the latest.
        self._asked: WeakValueDictionary[Id, Asked] = WeakValueDictionary()
        self._opens_until: float | None = None
        self._listening = anyio.Event()

    def listen(self) -> None:
        """Learn that the client has opened the stream outside any request."""
        self._listening.set()

    async def left(self, seconds: float) -> bool:
        """Wait until the client has gone without a word.

        It has when nothing of it has been open for so many seconds, and either it had opened the stream
        outside any request, which it would still have, or its processes are dead.

        Returns:
            Whether it is so; if not, the session has ended before.
        """
        while await self.presence.absent(seconds):
            if self._listening.is_set() or self.callers.have_ended():
                return True
        return False

    async def listens(self) -> bool:
        """Whether the client has ever done so; it is given time to when there is first something to hear."""
        if not self._listening.is_set():
            if self._opens_until is None:
                self._opens_until = anyio.current_time() + _LISTENS_WITHIN
            with anyio.CancelScope(deadline=self._opens_until):
                await self._listening.wait()
        return self._listening.is_set()

    def renamed(self, message: Json) -> tuple[Json, Asked | None]:
        """A message of the client as the SDK may see it, and the request if it is one."""
        if "method" not in message:
            return message, None  # an answer, to a request that the SDK has given its id
        request_id = message.get("id")
        if _is_id(request_id):
            asked = self._asked[request_id] = Asked(request_id)
            return {**message, "id": asked.stand_in}, asked
        if "id" in message:
            # The SDK would take this for a notification; what has no method it refuses.
            return {"jsonrpc": "2.0"}, None
        params = message.get("params")
        if message["method"] == CANCELLED and isinstance(params, dict) and _is_id(params.get(_REQUEST_ID)):
            cancelled = self._asked.get(params[_REQUEST_ID])
            if cancelled is not None:
                cancelled.cancelled = params
                return {**message, "params": {**params, _REQUEST_ID: cancelled.stand_in}}, None
        return message, None


class HttpSessions:
    """Finds the session of an HTTP request; a session lasts as long as the SDK's tasks for it.

    Args:
        callers: Makes what learns the processes of a client.
    """

    def __init__(self, callers: Callable[[], Callers]) -> None:
        self._callers = callers
        self._by_id: WeakValueDictionary[bytes, HttpSession] = WeakValueDictionary()

    def find(self, scope: Mapping[str, Any]) -> HttpSession:
        """The session that an HTTP request names, or a new one."""
        named = next((value for name, value in scope["headers"] if name == _SESSION_HEADER), b"")
        session = self._by_id.get(named) or HttpSession(self._callers())
        session.callers.note(scope)
        return session

    def note(self, session: HttpSession, method: str, start: Mapping[str, Any]) -> Header | None:
        """Learn from how the answer to an HTTP request starts: a session's name, that it listens or is over.

        Returns:
            The header that names the session, if it has just got its name.
        """
        new: Header | None = None
        for name, value in start["headers"]:
            if name.lower() == _SESSION_HEADER and value not in self._by_id:
                self._by_id[value] = session
                new = name, value
        if start["status"] == HTTPStatus.OK and method == "DELETE":
            session.presence.end()
        elif start["status"] == HTTPStatus.OK and method == "GET":
            session.listen()
        return new


@contextmanager
def enter_session(session: HttpSession | None) -> Iterator[None]:
    """Work for a session inside the context, with all tasks that are started there; its client is there."""
    token = _serving.set(session)
    try:
        with session.presence.visit() if session is not None else nullcontext():
            yield
    finally:
        _serving.reset(token)


def current_session() -> HttpSession | None:
    """The session that the current task works for."""
    return _serving.get()


def _is_id(value: Any) -> TypeGuard[Id]:
    return isinstance(value, (str, int)) and not isinstance(value, bool)
