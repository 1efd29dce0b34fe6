"""Texts that stand in for others on their way through the SDK, and are put in their place when they go out.

The SDK would write numbers in its own spelling, an ``1e400`` as null and an error without the members
that it doesn't know, and an unpaired surrogate would end the stream without an answer. So it is handed
the exact text as one string. It also takes requests for one another whose ids read the same, so it is
handed ids of mcptap's own.
"""

from __future__ import annotations

import json
import re
import secrets
from itertools import count
from typing import Any, Final

from mcptap import codec
from mcptap.exchange import INTERNAL_ERROR
from mcptap.model import Json

# Nobody can put it into a message of their own, because it is another one in every process.
_MARK: Final = f"mcptap-{secrets.token_hex(16)}"
_STRING: Final = rb'((?:[^"\\]++|\\.)*+)'
# The SDK's dispatcher adds a trace context of its own to the params of a request: it has no place there.
_STAND_IN: Final = re.compile(
    rb'\{"%(mark)s":"%(string)s"(?:,"_meta":\{[^{}]*\})?\}'
    rb'|\{"code":-?[0-9]+,"message":"%(mark)s%(string)s"\}'
    rb'|"%(mark)s#[0-9]+#%(string)s"' % {b"mark": _MARK.encode(), b"string": _STRING}
)
_numbers: Final = count(1)


def stand_in(value: Json) -> dict[str, Any]:
    """What to give the SDK in place of a result or of params."""
    return {_MARK: codec.dumps(value).decode()}


def error_stand_in(error: Json) -> dict[str, Any]:
    """What to give the SDK in place of an error; the code stays, the HTTP status depends on it."""
    code = error.get("code")
    plain = int(code) if isinstance(code, int) else INTERNAL_ERROR
    return {"code": plain, "message": _MARK + codec.dumps(error).decode()}


def id_stand_in(request_id: Any) -> str:
    """What to give the SDK in place of a request's id: never the same twice."""
    return f"{_MARK}#{next(_numbers)}#{codec.dumps(request_id).decode()}"


def put_in_place(text: bytes) -> bytes:
    """A text of the SDK's with what stood for something replaced by that."""
    if _MARK.encode() not in text:
        return text
    return _STAND_IN.sub(_original, text)


def _original(found: re.Match[bytes]) -> bytes:
    escaped = next(group for group in found.groups() if group is not None)
    text: str = json.loads(b'"%b"' % escaped)
    return text.encode()
