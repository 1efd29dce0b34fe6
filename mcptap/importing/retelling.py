"""Telling a transcript to mcptap's own recorder, as if it happened now.

What a server said belongs to a request by the same rules as live: by the stream that it came on, by
what it names, or because there was only one request in flight.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from mcptap.exchange import Channel, Exchange, Session
from mcptap.importing.transcript import Said, is_id
from mcptap.model import Event, Json
from mcptap.protocol import (
    LISTEN,
    OUTSIDE_REQUESTS,
    PROGRESS,
    PROGRESS_TOKEN,
    SUBSCRIPTION_META,
    client_of,
    era_of,
    meta_of,
    progress_token_of,
)
from mcptap.recorder import OpenInteraction, Recorder, Sink

_OPENING: Final = frozenset({"initialize", "server/discover"})
_CANCELLED: Final = "notifications/cancelled"
_NOBODY: Final = cast("Channel", None)  # a session that is only told of has nobody to send to


class _Pending(NamedTuple):
    """A request of the client's without its answer yet."""

    session: Session
    opened: OpenInteraction


class _Asking(NamedTuple):
    """A server request without its answer yet: in a request of the client's, or outside any."""

    opened: OpenInteraction | None
    event: Event
    session: Session
    at: float


@dataclass(slots=True)
class Retelling:
    """Tells what was said to a recorder, in order.

    Args:
        sink: Where the lines go.
        transport: What the client saw.

    Attributes:
        unrelated: How many answers belong to no request that was heard.
    """

    sink: Sink
    transport: str
    unrelated: int = 0
    _now: float = 0.0
    _recorder: Recorder = field(init=False)
    _session: Session | None = None
    _pending: dict[Any, _Pending] = field(default_factory=dict)
    _asking: dict[Any, _Asking] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._recorder = Recorder(self.sink, clock=lambda: self._now)

    def tell(self, said: Iterable[Said]) -> None:
        """Tell all of it; what has no answer by then never had one."""
        for each in said:
            self._now = max(self._now, each.at)
            if each.source == "client":
                self._client(each.message)
            else:
                self._server(each)
        for key in list(self._asking):
            self._answered(key, {})
        self._recorder.close()

    def _client(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), _object(message.get("params"))
        if method is None:
            self._answered(message.get("id"), message)
        elif "id" in message:
            self._request(message["id"], method, params)
        elif method == _CANCELLED:
            if pending := self._pending.pop(_named(params), None):
                pending.opened.finish(outcome="cancelled")
        else:
            self._recorder.message(self._session_of(method, params), "client", method, params)

    def _request(self, number: Any, method: str, params: Json | None) -> None:
        if earlier := self._pending.pop(number, None):
            earlier.opened.finish(outcome="unanswered")  # its client has gone, as another one began to count
        session = self._session_of(method, params)
        opened = self._recorder.begin(Exchange(session, method, params, _NOBODY, number))
        self._pending[number] = _Pending(session, opened)

    def _session_of(self, method: str, params: Json | None) -> Session:
        if self._session is None or method in _OPENING:
            client = client_of(method, params)
            self._session = Session(era_of(method, params), self.transport, client, _NOBODY)
        return self._session

    def _server(self, said: Said) -> None:
        message = said.message
        method, params = message.get("method"), _object(message.get("params"))
        if method is None:
            self._answer(message)
        elif "id" in message:
            self._ask(message["id"], method, params, self._place(said, method, params))
        elif method == _CANCELLED and (asked := _named(params)) in self._asking:
            self._answered(asked, {})
        elif opened := self._place(said, method, params):
            opened.event("server", method, params)
        else:
            self._recorder.message(self._session_of(method, params), "server", method, params)

    def _answer(self, message: dict[str, Any]) -> None:
        result, error = _object(message.get("result")), _object(message.get("error"))
        pending = self._pending.get(message.get("id"))
        if pending is None or (result is None and error is None):
            self.unrelated += 1
            return
        opened = self._pending.pop(message["id"]).opened
        opened.finish(result=result, error=error if result is None else None, upstream_ms=opened.elapsed_ms())

    def _ask(self, number: Any, method: str, params: Json | None, opened: OpenInteraction | None) -> None:
        session = self._session_of(method, params)
        event = opened.asked(method, params) if opened else Event(0.0, "server", method, params)
        self._asking[number] = _Asking(opened, event, session, self._now)

    def _answered(self, number: Any, message: dict[str, Any]) -> None:
        asking = self._asking.pop(number, None)
        if asking is None:
            self.unrelated += 1
            return
        result, error = _object(message.get("result")), _object(message.get("error"))
        if asking.opened is not None:
            asking.opened.answered(asking.event, result=result, error=error)
            return
        ms = (self._now - asking.at) * 1000
        method, params = asking.event.method, asking.event.params
        self._recorder.message(asking.session, "server", method, params, result=result, error=error, ms=ms)

    def _place(self, said: Said, method: str, params: Json | None) -> OpenInteraction | None:
        """The request that a message of the server belongs to, where that can be told."""
        if said.outside:
            return None
        token, subscription = (params or {}).get(PROGRESS_TOKEN), meta_of(params).get(SUBSCRIPTION_META)
        open_ = [each.opened for each in self._pending.values() if each.session is self._session]
        if said.stream is not None:
            pending = self._pending.get(said.stream)
            return pending.opened if pending else None
        if method == PROGRESS:
            return next((each for each in open_ if progress_token_of(each.params) == token), None)
        if subscription is not None:
            named = (each for number, each in self._pending.items() if str(number) == str(subscription))
            return next((each.opened for each in named), None)
        possible = [each for each in open_ if each.method != LISTEN]
        return possible[0] if len(possible) == 1 and method not in OUTSIDE_REQUESTS else None


def _named(params: Json | None) -> Any:
    """The id of the request that is taken back."""
    number = (params or {}).get("requestId")
    return number if is_id(number) else None


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None
