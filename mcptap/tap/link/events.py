"""Server-sent events, as MCP uses them (HTML standard, "Interpreting an event stream")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class ServerEvent:
    """One event. ``retry`` is in milliseconds; ``id`` and ``retry`` are ``None`` where it has none."""

    name: str = "message"
    data: bytes = b""
    id: str | None = None
    retry: int | None = None


class EventReader:
    """Cuts a byte stream into events; an event may be of any size."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._held = b""
        self._event = ServerEvent()
        self._data: list[bytes] = []
        self._touched = False

    def feed(self, data: bytes) -> Iterator[ServerEvent]:
        """Take the next bytes and give out the events that they complete."""
        data = self._held + data
        # A carriage return may be the first half of a line's end.
        self._held = b"\r" if data.endswith(b"\r") else b""
        if self._held:
            data = data[:-1]
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = data.split(b"\n")
        self._rest += first
        for line in others:
            event = self._line(bytes(self._rest))
            self._rest = bytearray(line)
            if event is not None:
                yield event

    def _line(self, line: bytes) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        self._touched = True
        match field:
            case b"data":
                self._data.append(value)
            case b"event":
                self._event.name = value.decode(errors="replace")
            case b"id":
                self._event.id = value.decode(errors="replace")
            case b"retry" if value.isdigit():
                self._event.retry = int(value)
            case _:
                pass
        return None

    def _dispatch(self) -> ServerEvent | None:
        if not self._touched:
            return None
        event, self._event = self._event, ServerEvent()
        event.data = b"\n".join(self._data)
        self._data.clear()
        self._touched = False
        return event
