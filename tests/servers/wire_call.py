"""A request as the wire server sees it: slices of the source text, parsed only as far as needed."""

from __future__ import annotations

import json
import queue
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)
_SPACE = re.compile(r"[ \t\r\n]*")


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def members(text: str) -> dict[str, str]:
    """The members of a JSON object, each value as its exact slice of the source."""
    found: dict[str, str] = {}
    at = _skip_space(text, _skip_space(text, 0) + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        start = _skip_space(text, _skip_space(text, at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        found[name] = text[start:end]
        at = _skip_space(text, end)
        if text[at] == ",":
            at = _skip_space(text, at + 1)
    return found


class RefusedError(Exception):
    """The request is answered with a JSON-RPC error.

    Args:
        error: The ``error`` member as a JSON text.
    """

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error

    @classmethod
    def of(cls, code: int, message: str, data: str | None = None) -> RefusedError:
        more = "" if data is None else f',"data":{data}'
        return cls(f'{{"code":{code},"message":{json.dumps(message)}{more}}}')


@dataclass(frozen=True)
class Call:
    """A request. ``id`` and ``params`` are source texts.

    A call that waits hears through ``inbox``: answers to what it asked, ``None`` when it is cancelled.
    """

    id: str
    method: str
    params: str
    modern: bool
    inbox: queue.SimpleQueue[dict[str, str] | None] = field(default_factory=queue.SimpleQueue)

    @cached_property
    def members(self) -> dict[str, str]:
        return members(self.params)

    @cached_property
    def meta(self) -> dict[str, str]:
        return members(self.members.get("_meta", "{}"))

    @cached_property
    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.members.get("arguments", "{}"))
        return found

    def text(self, member: str) -> str:
        """A string member of ``params``, empty where it is absent."""
        return str(json.loads(self.members.get(member, '""')))
