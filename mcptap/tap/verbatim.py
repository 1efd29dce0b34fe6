"""Word for word over FastMCP's HTTP front, whose JSON is the SDK's and not `mcptap.codec`'s.

The SDK would write numbers in its own spelling, an ``1e400`` as null and an error without the members
that it doesn't know, and an unpaired surrogate would end the stream without an answer. So it is handed
a stand-in, the exact text as one string, and an ASGI middleware puts the text in its place when it
goes out. What comes in is kept as it was, to be parsed a second time.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio

from mcptap import codec
from mcptap.exchange import INTERNAL_ERROR
from mcptap.model import Json

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# Nobody can put it into a message of their own, because it is another one in every process.
_MARK: Final = f"mcptap-{secrets.token_hex(16)}"
_STRING: Final = rb'((?:[^"\\]++|\\.)*+)'
# The SDK's dispatcher adds a trace context of its own to the params of a request: it has no place there.
_STAND_IN: Final = re.compile(
    rb'\{"%(mark)s":"%(string)s"(?:,"_meta":\{[^{}]*\})?\}|\{"code":-?[0-9]+,"message":"%(mark)s%(string)s"\}'
    % {b"mark": _MARK.encode(), b"string": _STRING}
)
_BODY: Final = "mcptap.body"
_BEGUN: Final = "mcptap.begun"
_LENGTH: Final = b"content-length"
_WHITE_SPACE: Final = b" \t"

_AsgiMessage: TypeAlias = MutableMapping[str, Any]
_serving: ContextVar[tuple[object, str] | None] = ContextVar("mcptap_serving", default=None)


def stand_in(value: Json) -> dict[str, Any]:
    """What to give the SDK in place of a result or of params."""
    return {_MARK: codec.dumps(value).decode()}


def error_stand_in(error: Json) -> dict[str, Any]:
    """What to give the SDK in place of an error; the code stays, the HTTP status depends on it."""
    code = error.get("code")
    plain = int(code) if isinstance(code, int) else INTERNAL_ERROR
    return {"code": plain, "message": _MARK + codec.dumps(error).decode()}


def is_verbatim(request: Any) -> bool:
    """Whether the answers to an HTTP request pass `Verbatim`, which stand-ins need."""
    return request is not None and _BODY in request.scope


def exact_message(request: Any) -> Json | None:
    """The JSON-RPC message in the body of an HTTP request; ``None`` where it isn't known."""
    if not is_verbatim(request):
        return None
    try:
        message = codec.loads(bytes(request.scope[_BODY]))
    except ValueError:  # the SDK's parser is laxer
        return None
    return message if isinstance(message, dict) else None


async def answer_begun(request: Any) -> None:
    """Wait until the first piece of the answer to an HTTP request is out, or nobody takes it any more."""
    if is_verbatim(request):
        await request.scope[_BEGUN].wait()


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
    """

    def __init__(self, app: ASGIApp, owner: object, transport: str) -> None:
        self._app = app
        self._serving = (owner, transport)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; see the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = bytearray()
        # Not every HTTP parser takes away the white space around a value (RFC 9110, section 5.5).
        headers = [(name, value.strip(_WHITE_SPACE)) for name, value in scope["headers"]]
        begun = anyio.Event()
        scope = {**scope, _BODY: body, _BEGUN: begun, "headers": headers}
        held: list[_AsgiMessage] = []

        async def receive_and_keep() -> _AsgiMessage:
            message = await receive()
            if message["type"] == "http.request":
                body.extend(message.get("body", b""))
            return message

        async def put_in_place(message: _AsgiMessage) -> None:
            if message["type"] == "http.response.start" and any(
                name.lower() == _LENGTH for name, _ in message["headers"]
            ):
                held.append(message)  # its length is that of the stand-in
                return
            if message["type"] == "http.response.body":
                message = {**message, "body": _exact(message.get("body", b""))}
                if held:
                    await send(_with_length(held.pop(), message))
            await send(message)
            if message.get("body"):
                begun.set()

        token = _serving.set(self._serving)
        try:
            await self._app(scope, receive_and_keep, put_in_place)
        finally:
            begun.set()
            _serving.reset(token)


def _exact(body: bytes) -> bytes:
    # The SDK hands over an event, or a whole answer, as one piece.
    if _MARK.encode() not in body:
        return body
    return _STAND_IN.sub(_text, body)


def _text(found: re.Match[bytes]) -> bytes:
    text: str = json.loads(b'"%b"' % (found[1] if found[1] is not None else found[2]))
    return text.encode()


def _with_length(start: _AsgiMessage, body: _AsgiMessage) -> _AsgiMessage:
    if body.get("more_body"):
        return start
    headers = [(name, value) for name, value in start["headers"] if name.lower() != _LENGTH]
    return {**start, "headers": [*headers, (_LENGTH, str(len(body["body"])).encode())]}
