"""Word for word over FastMCP's HTTP front, whose JSON is the SDK's and not `mcptap.codec`'s.

An ASGI middleware puts the exact text in the place of every stand-in when it goes out. What comes in is
kept as it was, and parsed a second time; the SDK gets it with a request id of mcptap's own where it
would mix up the client's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio
from mcp.server.streamable_http_manager import DEFAULT_MAX_REQUEST_BODY_SIZE

from mcptap import codec
from mcptap.faults import Fault, breaks_frames
from mcptap.model import Json
from mcptap.protocol import MODERN_VERSIONS, VERSION_HEADER
from mcptap.tap.callers import Callers
from mcptap.tap.disturbing import DisturbedAnswer
from mcptap.tap.http_sessions import Asked, Header, HttpSession, HttpSessions, enter_session
from mcptap.tap.stand_ins import put_in_place

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_POSTED: Final = "mcptap.posted"
_LENGTH: Final = b"content-length"
_WHITE_SPACE: Final = b" \t"

_AsgiMessage: TypeAlias = MutableMapping[str, Any]
Hear: TypeAlias = Callable[[tuple[str, int] | None, str, Json | None], Awaitable[None]]
Watch: TypeAlias = Callable[[HttpSession, Callable[[], Awaitable[None]]], None]
_serving: ContextVar[tuple[object, str] | None] = ContextVar("mcptap_serving", default=None)


@dataclass(eq=False)
class _Posted:
    """What a client has sent in one HTTP request, and what becomes of that."""

    body: bytearray = field(default_factory=bytearray)
    begun: anyio.Event = field(default_factory=anyio.Event)
    asked: Asked | None = None
    cookies: list[tuple[bytes, bytes]] = field(default_factory=list)
    disturbed: DisturbedAnswer | None = None
    send: Send | None = None

    @cached_property
    def message(self) -> Json | None:
        """The JSON-RPC message, once the whole body is there."""
        try:
            message = codec.loads(bytes(self.body))
        except ValueError:  # the SDK's parser is laxer
            return None
        return message if isinstance(message, dict) else None


def is_verbatim(request: Any) -> bool:
    """Whether the answers to an HTTP request pass `Verbatim`, which stand-ins need."""
    return request is not None and _POSTED in request.scope


def exact_message(request: Any) -> Json | None:
    """The JSON-RPC message in the body of an HTTP request; ``None`` where it isn't known."""
    return _posted(request).message if is_verbatim(request) else None


def asked_by(request: Any) -> Asked | None:
    """What the client of an HTTP request has asked; ``None`` where the SDK knows it by the client's id."""
    return _posted(request).asked if is_verbatim(request) else None


async def answer_begun(request: Any) -> None:
    """Wait until the first piece of the answer to an HTTP request is out, or nobody takes it any more."""
    if is_verbatim(request):
        await _posted(request).begun.wait()


def set_cookie(request: Any, cookie: str) -> None:
    """Send a cookie with the answer to an HTTP request, if that has not begun."""
    if is_verbatim(request):
        _posted(request).cookies.append((b"set-cookie", cookie.encode()))


def disturb_answer(request: Any, fault: Fault) -> None:
    """Have the rest of the answer to an HTTP request go wrong as a fault says."""
    posted = _posted(request)
    if posted.send is not None and (breaks_frames([fault]) or fault.ending == "disconnect"):
        posted.disturbed = DisturbedAnswer(posted.send, fault)


def transport_of(owner: object) -> str:
    """The HTTP transport that ``owner`` serves the current task's client over, or ``memory``."""
    serving = _serving.get()
    return serving[1] if serving is not None and serving[0] is owner else "memory"


class Verbatim:
    """The ASGI middleware that puts the exact text in the place of every stand-in.

    Args:
        app: The application.
        owner: The server that the application is of.
        transport: What it serves: ``http`` or ``sse``.
        hear: Takes a notification of the modern era, which the SDK acknowledges and drops, before its
            client learns that it was accepted: the client's address, the method and the params.
        callers: Makes what learns the processes of a client.
        watch: Takes a new session, and what ends it in the place of its client.
    """

    def __init__(
        self,
        app: ASGIApp,
        owner: object,
        transport: str,
        hear: Hear,
        callers: Callable[[], Callers],
        watch: Watch,
    ) -> None:
        self._app = app
        self._hear = hear
        self._watch = watch
        self._serving = (owner, transport)
        self._sessions = HttpSessions(callers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; see the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Not every HTTP parser takes away the white space around a value (RFC 9110, section 5.5).
        headers = [(name, value.strip(_WHITE_SPACE)) for name, value in scope["headers"]]
        posted = _Posted(send=send)
        scope = {**scope, _POSTED: posted, "headers": headers}
        session = self._sessions.find(scope) if self._has_sessions(headers) else None
        if session is not None and scope["method"] == "POST":
            take: Receive = partial(_receive_renamed, receive, posted, session)
        else:
            take = partial(_receive, receive, posted)
        held: list[_AsgiMessage] = []

        async def send_exact(message: _AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                await self._answering(scope, posted, session, message)
                message = {**message, "headers": [*message["headers"], *posted.cookies]}
                if any(name.lower() == _LENGTH for name, _ in message["headers"]):
                    held.append(message)  # its length is that of the stand-in
                    return
            if message["type"] == "http.response.body":
                # The SDK hands over an event, or a whole answer, as one piece.
                message = {**message, "body": put_in_place(message.get("body", b""))}
                if posted.disturbed is not None:
                    message["body"] = posted.disturbed.spoilt(message["body"])
                if held:
                    await send(_with_length(held.pop(), message))
            await (send if posted.disturbed is None else posted.disturbed.send)(message)
            if message.get("body"):
                posted.begun.set()

        token = _serving.set(self._serving)
        try:
            with enter_session(session):
                await self._app(dict(scope), take, send_exact)
        finally:
            posted.begun.set()
            _serving.reset(token)

    async def _answering(
        self, scope: Scope, posted: _Posted, session: HttpSession | None, start: _AsgiMessage
    ) -> None:
        """Learn what there is to learn from how an answer starts."""
        if session is None:
            await self._accepting(scope, posted, start)
        elif (name := self._sessions.note(session, scope["method"], start)) is not None:
            self._watch(session, partial(self._end_session, scope, name))

    async def _end_session(self, scope: Scope, name: Header) -> None:
        """End a session as its client would, with the headers of the request that began it."""

        async def receive() -> _AsgiMessage:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: _AsgiMessage) -> None:
            pass  # gone already, or gone now

        headers = [each for each in scope["headers"] if each[0] != _LENGTH]
        await self._app({**scope, "method": "DELETE", "headers": [*headers, name]}, receive, send)

    async def _accepting(self, scope: Scope, posted: _Posted, start: _AsgiMessage) -> None:
        """Take a notification of the modern era that the SDK accepts."""
        accepted = self._serving[1] == "http" and start["status"] == HTTPStatus.ACCEPTED
        message = posted.message if accepted else None
        if message is not None and isinstance(message.get("method"), str):
            params, address = message.get("params"), scope.get("client")
            await self._hear(
                (address[0], address[1]) if address else None,
                message["method"],
                params if isinstance(params, dict) else None,
            )

    def _has_sessions(self, headers: list[Header]) -> bool:
        """Whether a request is of the handshake era, and goes to the SDK's session transport."""
        version = dict(headers).get(VERSION_HEADER.encode(), b"").decode("latin-1")
        return self._serving[1] == "http" and version not in MODERN_VERSIONS


async def _receive(receive: Receive, posted: _Posted) -> _AsgiMessage:
    message = await receive()
    if message["type"] == "http.request":
        posted.body.extend(message.get("body", b""))
    return message


async def _receive_renamed(receive: Receive, posted: _Posted, session: HttpSession) -> _AsgiMessage:
    """Receive the body in one piece, with a request id of mcptap's own in it."""
    message = await _receive(receive, posted)
    while message.get("more_body") and len(posted.body) <= DEFAULT_MAX_REQUEST_BODY_SIZE:
        message = await _receive(receive, posted)
    if message["type"] != "http.request":
        return message
    if message.get("more_body"):  # it is refused for its size
        return {**message, "body": bytes(posted.body)}
    exact = posted.message
    if exact is None:
        return {**message, "body": bytes(posted.body)}
    renamed, posted.asked = session.renamed(exact)
    return {**message, "body": bytes(posted.body) if renamed is exact else codec.dumps(renamed)}


def _posted(request: Any) -> _Posted:
    posted: _Posted = request.scope[_POSTED]
    return posted


def _with_length(start: _AsgiMessage, body: _AsgiMessage) -> _AsgiMessage:
    if body.get("more_body"):
        return start
    headers = [(name, value) for name, value in start["headers"] if name.lower() != _LENGTH]
    return {**start, "headers": [*headers, (_LENGTH, str(len(body["body"])).encode())]}
