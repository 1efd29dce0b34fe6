"""What clients over HTTP may still want to hear of a stream that was closed on them."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp_types import JSONRPCMessage

from mcptap.tap.http_sessions import current_session

RETRY_MS: Final = 500
"""When a client is told to come back to a stream that was closed on it."""

_MOST_BYTES: Final = 64 * 1024 * 1024
_MOST_EVENTS: Final = 10_000
_OVERHEAD: Final = 500
_TEXTS: Final = ("result", "error", "params")


@dataclass(frozen=True, slots=True)
class _Stored:
    session: int
    stream: StreamId
    message: JSONRPCMessage | None
    size: int


class RecentEvents(EventStore):
    """The SDK's event store, with a bound: the latest events of all streams together.

    The SDK has one store for all sessions, whose streams have the same names: each gets its own.

    Args:
        most_bytes: How much of them is kept, by an estimate; the latest event always is.
        most_events: How many are kept.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES, most_events: int = _MOST_EVENTS) -> None:
        self._most_bytes = most_bytes
        self._most_events = most_events
        self._events: OrderedDict[EventId, _Stored] = OrderedDict()
        self._of_stream: dict[tuple[int, StreamId], OrderedDict[EventId, None]] = {}
        self._bytes = 0

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        """Keep a message, or only a position where there is none; give its id."""
        event_id = uuid.uuid4().hex
        session = _session_number()
        stored = _Stored(session, stream_id, message, _OVERHEAD + _size(message))
        self._events[event_id] = stored
        self._of_stream.setdefault((session, stream_id), OrderedDict())[event_id] = None
        self._bytes += stored.size
        while len(self._events) > 1 and (
            self._bytes > self._most_bytes or len(self._events) > self._most_events
        ):
            self._drop_oldest()
        return event_id

    async def replay_events_after(
        self, last_event_id: EventId, send_callback: EventCallback
    ) -> StreamId | None:
        """Send what came after an event on its stream; ``None`` where the session has none such any more."""
        last = self._events.get(last_event_id)
        if last is None or last.session != _session_number():
            return None
        order = list(self._of_stream[last.session, last.stream])
        missed = order[order.index(last_event_id) + 1 :]
        # Sending takes its time, in which any of them may be dropped.
        messages = [(event_id, self._events[event_id].message) for event_id in missed]
        for event_id, message in messages:
            if message is not None:
                await send_callback(EventMessage(message, event_id))
        return last.stream

    def _drop_oldest(self) -> None:
        event_id, stored = self._events.popitem(last=False)
        self._bytes -= stored.size
        place = stored.session, stored.stream
        of_stream = self._of_stream[place]
        del of_stream[event_id]
        if not of_stream:
            del self._of_stream[place]


def _session_number() -> int:
    session = current_session()
    return session.number if session is not None else 0


def _size(message: JSONRPCMessage | None) -> int:
    """About how much memory a message takes: the tap's own are stand-ins, with one long text in them."""
    return sum(_text_size(getattr(message, member, None)) for member in _TEXTS)


def _text_size(value: Any) -> int:
    if isinstance(value, dict):
        return sum(len(text) for text in value.values() if isinstance(text, str))
    message = getattr(value, "message", None)
    return len(message) if isinstance(message, str) else 0
