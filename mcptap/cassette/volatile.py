"""What differs between two runs of the same session, and what can stand in its place in both.

Three kinds: values that the protocol itself has the server or the client make up (task ids, cursors,
``requestState``, progress tokens), which are numbered, the same everywhere; times of the day when it
was recorded; and random UUIDs. The last two are left alone where the client says them, too: it may say
them again, and must find its request then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mcptap.protocol import META, PROGRESS_TOKEN, SUBSCRIPTION_META, VOLATILE_META

_ISSUED: Final = {
    "taskId": "task",
    "requestState": "state",
    "cursor": "cursor",
    "nextCursor": "cursor",
    "elicitationId": "elicitation",
    PROGRESS_TOKEN: "progress",
    SUBSCRIPTION_META: "subscription",
}
_DATA: Final = frozenset({"arguments", "structuredContent"})
_DROPPED_META: Final = VOLATILE_META - {PROGRESS_TOKEN}
_LEAST_IN_TEXT: Final = 8

# Versions 1, 4, 6 and 7 are made of a time or at random; the others are made from a name.
_UUID: Final = re.compile(
    r"(?<![0-9A-Fa-f-])[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[1467][0-9A-Fa-f]{3}"
    r"-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f-])"
)
_TIME: Final = re.compile(
    r"(?<![0-9])(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?P<between>[T ])"
    r"(?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?)"
    r"(?P<zone> ?Z| ?[+-][0-9]{2}:?[0-9]{2})?(?![0-9:])"
)
_TOLERANCE: Final = timedelta(minutes=5)
_ZONES: Final = timedelta(hours=14)


class Volatile:
    """Renames what is volatile in the values of one cassette, in the order in which they are given."""

    def __init__(self) -> None:
        self._said_by_client: set[str] = set()
        self._names: dict[tuple[str, str | int], str | int] = {}
        self._counts: dict[str, int] = {}
        self._in_text: dict[str, str] = {}

    def hear(self, value: Any) -> None:
        """Note what a client said, all of it before anything is renamed."""
        for text in _texts(value):
            self._said_by_client.update(found[0] for found in _UUID.finditer(text))
            self._said_by_client.update(found[0] for found in _TIME.finditer(text))

    def number(self, value: Any) -> None:
        """Number the ids of a value before any text is renamed that mentions them."""
        self._number(value, protocol=True)

    def renamed(self, value: Any, when: tuple[datetime, datetime]) -> Any:
        """A value of the protocol without what is volatile.

        Args:
            value: Params, a result or an error.
            when: The time in which it was said.
        """
        return self._value(value, when, protocol=True)

    def _number(self, value: Any, *, protocol: bool) -> None:
        if isinstance(value, list):
            for item in value:
                self._number(item, protocol=protocol)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                if protocol and key in _ISSUED and _is_name(item):
                    self._issued(_ISSUED[key], item)
                else:
                    self._number(item, protocol=protocol and key not in _DATA)

    def _value(self, value: Any, when: tuple[datetime, datetime], *, protocol: bool) -> Any:
        if isinstance(value, str):
            return self._text(value, when)
        if isinstance(value, list):
            return [self._value(item, when, protocol=protocol) for item in value]
        if not isinstance(value, Mapping):
            return value
        renamed = {}
        for key, item in value.items():
            if protocol and key in _ISSUED and _is_name(item):
                renamed[key] = self._issued(_ISSUED[key], item)
            elif protocol and key == META and isinstance(item, Mapping):
                kept = {name: each for name, each in item.items() if name not in _DROPPED_META}
                renamed[key] = self._value(kept, when, protocol=True)
            else:
                renamed[key] = self._value(item, when, protocol=protocol and key not in _DATA)
        return renamed

    def _issued(self, kind: str, value: str | int) -> str | int:
        known = self._names.get((kind, value))
        if known is not None:
            return known
        number = self._counts[kind] = self._counts.get(kind, 0) + 1
        name = number if isinstance(value, int) else f"{kind}-{number}"
        self._names[kind, value] = name
        if isinstance(value, str) and isinstance(name, str) and len(value) >= _LEAST_IN_TEXT:
            self._in_text[value] = name
        return name

    def _text(self, text: str, when: tuple[datetime, datetime]) -> str:
        for value, name in self._in_text.items():
            if value in text:
                text = text.replace(value, name)
        text = _UUID.sub(self._unless_said(self._uuid), text)
        return _TIME.sub(self._unless_said(lambda found: _long_ago(found, when)), text)

    def _unless_said(self, rename: Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
        return lambda found: found[0] if found[0] in self._said_by_client else rename(found)

    def _uuid(self, found: re.Match[str]) -> str:
        value = found[0].lower()
        if ("uuid", value) not in self._names:
            self._counts["uuid"] = self._counts.get("uuid", 0) + 1
            self._names["uuid", value] = f"00000000-0000-4000-8000-{self._counts['uuid']:012x}"
        return str(self._names["uuid", value])


def _is_name(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _long_ago(found: re.Match[str], when: tuple[datetime, datetime]) -> str:
    """The beginning of the epoch in the form of ``found``, if that is a time in which it was said."""
    zone = (found["zone"] or "").strip()
    try:
        time = datetime.fromisoformat(f"{found['day']}T{found['time'].replace(',', '.')}{zone}")
    except ValueError:
        return found[0]
    tolerance = _TOLERANCE if zone else _ZONES
    begin, end = (moment.astimezone(UTC) for moment in when)
    if not begin - tolerance <= (time if zone else time.replace(tzinfo=UTC)) <= end + tolerance:
        return found[0]
    clock = "00:00:00" if found["time"].count(":") > 1 else "00:00"
    return f"1970-01-01{found['between']}{clock}{found['zone'] or ''}"
