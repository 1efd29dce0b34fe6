"""What a server makes up anew in every run and a client gives back, so that requests fit another run.

Cursors, ``requestState``, task and elicitation ids are the server's own (both specifications say that a
client must not look into them). Random UUIDs are most often made up, too; a client that was given one
asks with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcptap.matching.nearest import ABSENT
from mcptap.model import Json

_ISSUED: Final = frozenset({"taskId", "requestState", "cursor", "nextCursor", "elicitationId"})
_NEXT: Final = {"nextCursor": "cursor"}
_OWN_DATA: Final = frozenset({"arguments", "structuredContent", "content"})
_TASK_TIMES: Final = ("createdAt", "lastUpdatedAt")

# Versions 1, 4, 6 and 7 are made of a time or at random; the others are made from a name.
_UUID: Final = re.compile(
    r"(?<![0-9A-Fa-f-])[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[1467][0-9A-Fa-f]{3}"
    r"-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f-])"
)


class Issued:
    """What was issued in a recording, and what was in its place in another run."""

    def __init__(self) -> None:
        self._live: dict[tuple[str, str], str | None] = {}
        self._recorded: dict[tuple[str, str], str] = {}
        self._uuids: dict[str, str] = {}

    def learn(self, method: str, recorded: Any, live: Any) -> None:
        """Note what the protocol had the server make up in two results, or params, of the same kind.

        Args:
            method: The method of the request; a cursor is good for that alone.
            recorded: The recorded value.
            live: The live one; `ABSENT` where there is none.
        """
        for name, old, new in _pairs(recorded, live, ""):
            if name not in _ISSUED or not isinstance(old, str):
                continue
            kind = _kind(method, name)
            if isinstance(new, str):
                self._live[kind, old] = new
                self._recorded[kind, new] = old
            else:
                self._live.setdefault((kind, old), None)

    def learn_uuids(self, recorded: Any, live: Any) -> None:
        """Note which random UUIDs stand in the place of others, where the recorded ones are new."""
        for _, old, new in _pairs(recorded, live, "", everywhere=True):
            if isinstance(old, str) and isinstance(new, str):
                before, now = _UUID.findall(old), _UUID.findall(new)
                if len(before) == len(now):
                    for one, other in zip(before, now, strict=True):
                        self._uuids.setdefault(one, other)

    def said(self, params: Json | None) -> None:
        """Note what the client says by itself: what it brings along isn't made up by the server."""
        for text in _texts(params):
            for uuid in _UUID.findall(text):
                self._uuids.setdefault(uuid, uuid)

    def rebound(self, method: str, value: Any) -> Any:
        """A recorded value with what the live server has issued in the place of what was recorded."""
        return _mapped(value, lambda name, text: self._live_for(method, name, text))

    def restored(self, method: str, value: Any) -> Any:
        """A live value with what was recorded in the place of what the live server has issued."""
        return _mapped(value, lambda name, text: self._recorded.get((_kind(method, name), text), text))

    def missing(self, method: str, params: Json | None) -> str | None:
        """What the server issued for a request in the recording and didn't now, as the member's name."""
        for name, text, _ in _pairs(params, ABSENT, ""):
            if name in _ISSUED and isinstance(text, str):
                known = self._live.get((_kind(method, name), text), "")
                if known is None:
                    return name
        return None

    def _live_for(self, method: str, name: str, text: str) -> str:
        if name in _ISSUED:
            return self._live.get((_kind(method, name), text)) or text
        if self._uuids and _UUID.search(text):
            return _UUID.sub(lambda found: self._uuids.get(found[0], found[0]), text)
        return text


def without_task_times(value: Any) -> Any:
    """A result without the times of the tasks in it."""
    if isinstance(value, Mapping):
        is_task = isinstance(value.get("taskId"), str)
        return {
            name: item if name in _OWN_DATA else without_task_times(item)
            for name, item in value.items()
            if not (is_task and name in _TASK_TIMES)
        }
    return [without_task_times(item) for item in value] if isinstance(value, list) else value


def _kind(method: str, name: str) -> str:
    name = _NEXT.get(name, name)
    return f"{name} of {method}" if name == "cursor" else name


def _pairs(
    recorded: Any, live: Any, name: str, *, everywhere: bool = False
) -> Iterator[tuple[str, Any, Any]]:
    """Every scalar of a recorded value with the live one at its place, and the name of its member.

    Members that hold a user's own data are left out, unless ``everywhere``.
    """
    if isinstance(recorded, Mapping):
        for key, item in recorded.items():
            if everywhere or key not in _OWN_DATA:
                other = live.get(key, ABSENT) if isinstance(live, Mapping) else ABSENT
                yield from _pairs(item, other, key, everywhere=everywhere)
    elif isinstance(recorded, list):
        for place, item in enumerate(recorded):
            other = live[place] if isinstance(live, list) and place < len(live) else ABSENT
            yield from _pairs(item, other, "", everywhere=everywhere)
    else:
        yield name, recorded, live


def _mapped(value: Any, change: Any, name: str = "", *, own: bool = False) -> Any:
    if isinstance(value, str):
        return change("" if own else name, value)
    if isinstance(value, Mapping):
        return {key: _mapped(item, change, key, own=own or key in _OWN_DATA) for key, item in value.items()}
    return [_mapped(item, change, own=own) for item in value] if isinstance(value, list) else value


def _texts(value: Any) -> Iterator[str]:
    for _, text, _ in _pairs(value, ABSENT, "", everywhere=True):
        if isinstance(text, str):
            yield text
