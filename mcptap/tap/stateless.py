"""Which stateless requests over HTTP are one client's, as well as can be told."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from mcptap.exchange import Session
from mcptap.model import Json

_MOST_SESSIONS: Final = 1_000
_MOST_SOCKETS: Final = 10_000
_MOST_IDS: Final = 100


@dataclass(eq=False)
class _Known:
    session: Session
    who: tuple[str | None, str]
    began: int  # in the count of all requests, and
    active: int = 0  # when it was last heard of
    first: object = None
    last: int = 0
    ids: deque[object] = field(default_factory=lambda: deque(maxlen=_MOST_IDS))

    def note(self, request_id: object, now: int) -> None:
        if not self.ids:
            self.first = _key(request_id)
        self.active = now
        self.ids.append(_key(request_id))
        if isinstance(request_id, int):
            self.last = max(self.last, request_id)

    def has(self, request_id: object) -> bool:
        return _key(request_id) in self.ids


class StatelessSessions:
    """Finds the session of each stateless request.

    There is no session id in the modern era. What tells clients apart is, in this order:

    - ``server/discover`` begins a session.
    - What comes on the same socket belongs together, as long as the client says the same of itself.
    - On a new socket (a client opens several when it asks several things at once) a request belongs to
      a client of the same host and the same ``clientInfo`` that has not used its id yet, for hardly a
      client uses one twice. Clients count their ids, so where several are left it is the one whose count
      is nearest; where the ids are no numbers, the latest one.
    - Where the latest client has used the id, those don't count that were silent since it came. If none
      is left it is a new client if that client's first request had this id, and else that client, which
      counts in a way of its own.

    What can't be told apart are two clients of the same host and ``clientInfo`` that open new sockets at
    the same point of their counts; and a client that uses one id for all requests, each on a socket of
    its own, seems a new one each time.

    Args:
        open_session: Makes a session for a client.
        drop: Told of the session that was longest without a request, where there are too many.
    """

    def __init__(
        self, open_session: Callable[[Json | None], Session], drop: Callable[[Session], None]
    ) -> None:
        self._open_session = open_session
        self._drop = drop
        self._by_socket: OrderedDict[tuple[str, int], _Known] = OrderedDict()
        self._latest: OrderedDict[_Known, None] = OrderedDict()
        self._now = 0

    def find(
        self, socket: tuple[str, int] | None, client: Json | None, request_id: object, *, begins: bool
    ) -> Session:
        """The session of one request.

        Args:
            socket: The client's host and port.
            client: Its ``clientInfo``.
            request_id: The JSON-RPC id.
            begins: Whether it begins a session.
        """
        who = socket[0] if socket else None, str(client)
        known = None if begins else self._of_socket(socket, who) or self._of_client(who, request_id)
        if known is None:
            known = _Known(self._open_session(client), who, self._now)
        self._now += 1
        known.note(request_id, self._now)
        if socket is not None:
            _remember(self._by_socket, socket, known, _MOST_SOCKETS)
        if forgotten := _remember(self._latest, known, None, _MOST_SESSIONS):
            self._drop(forgotten.session)
        return known.session

    def heard_on(self, socket: tuple[str, int] | None) -> Session:
        """The session of a notification, which doesn't say whose it is: the socket's, or the latest."""
        host = socket[0] if socket else None
        known = self._by_socket.get(socket) if socket else None
        if known is None or known not in self._latest:
            known = next((each for each in reversed(self._latest) if each.who[0] == host), None)
        return self.find(socket, None, None, begins=True) if known is None else known.session

    def _of_socket(self, socket: tuple[str, int] | None, who: tuple[str | None, str]) -> _Known | None:
        known = self._by_socket.get(socket) if socket else None
        return known if known is not None and known.who == who and known in self._latest else None

    def _of_client(self, who: tuple[str | None, str], request_id: object) -> _Known | None:
        same = [known for known in reversed(self._latest) if known.who == who]
        possible = [known for known in same if not known.has(request_id)]
        if same and same[0].has(request_id):
            possible = [known for known in possible if known.active > same[0].began]
            if not possible:
                return same[0] if same[0].first != _key(request_id) else None
        if isinstance(request_id, int):
            return min(possible, key=lambda known: abs(request_id - known.last), default=None)
        return next(iter(possible), None)


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _remember(known: OrderedDict[_Key, _Value], key: _Key, value: _Value, most: int) -> _Key | None:
    """Note ``value`` as the latest; give out the key that had to go for it, if one had to."""
    known[key] = value
    known.move_to_end(key)
    return known.popitem(last=False)[0] if len(known) > most else None


def _key(request_id: object) -> object:
    return type(request_id).__name__, request_id
