"""Who is who among the modern clients over HTTP, where the protocol has no sessions.

A handshake server has them, so each client gets one of its own, and no two may share one: neither the
state that the server keeps in it, nor its questions. A client is known again by a cookie, if it keeps
cookies; else by its socket. One that has shown that it keeps none is known on another socket too, while
it has a request open and nobody else who says the same of himself has. Whoever isn't known gets a session
of its own, which in a stateless protocol it can't tell from the one it had.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final, Generic, TypeAlias, TypeVar

from mcptap.matching.canonical import canonical
from mcptap.model import Json
from mcptap.protocol import client_of
from mcptap.tap.verbatim import set_cookie

_Client = TypeVar("_Client")
Identity: TypeAlias = bytes

COOKIE: Final = "mcptap-client"
_CREDENTIALS: Final = ("authorization", "x-api-key", "api-key")
_MOST: Final = 200


@dataclass(slots=True, eq=False)
class Guest(Generic[_Client]):
    """A client that is known again.

    Attributes:
        client: What it is to the bridge.
        identity: What it says of itself, and what it proves it with.
        cookie: What it is known by.
        sockets: Where it was seen.
        greeted: Whether it was given its cookie.
        keeps_cookies: Whether it has brought its cookie back, or not; ``None`` while it had no occasion.
    """

    client: _Client
    identity: Identity
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    sockets: set[object] = field(default_factory=set)
    greeted: bool = False
    keeps_cookies: bool | None = None
    _waiting: asyncio.TimerHandle | None = None

    def wait_for(self, seconds: float | None, then: Callable[[], None]) -> None:
        """Do something after so many seconds, unless this is called again before."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = None if seconds is None else asyncio.get_running_loop().call_later(seconds, then)


class Guests(Generic[_Client]):
    """The clients that are known."""

    def __init__(self) -> None:
        self._guests: OrderedDict[Guest[_Client], None] = OrderedDict()

    def find(
        self,
        request: Any,
        method: str,
        params: Json | None,
        *,
        gave_state: Callable[[_Client], bool],
        is_busy: Callable[[_Client], bool],
    ) -> Guest[_Client] | None:
        """The client that a request comes from; ``None`` if it is a new one.

        Args:
            request: The HTTP request.
            method: Its method,
            params: and its params.
            gave_state: Whether a client was given the state that the request brings.
            is_busy: Whether a client has a request open, so that its next one needs another socket.
        """
        identity, socket, cookie = identity_of(request, method, params), _socket(request), _cookie(request)
        same = [guest for guest in self._guests if guest.identity == identity]
        found = next((guest for guest in same if cookie == guest.cookie), None)
        if found is None and cookie is None:
            strangers = [guest for guest in same if not guest.keeps_cookies]
            found = next((guest for guest in strangers if gave_state(guest.client)), None)
            found = found or next((guest for guest in strangers if socket in guest.sockets), None)
            if found is None and method != "server/discover":
                busy = [guest for guest in strangers if is_busy(guest.client)]
                found = busy[0] if len(busy) == 1 and busy[0].keeps_cookies is False else None
        if found is not None:
            if found.greeted:
                found.keeps_cookies = cookie is not None
            found.sockets.add(socket)
            self._guests.move_to_end(found)
        return found

    def add(self, request: Any, method: str, params: Json | None, client: _Client) -> Guest[_Client]:
        """Know a new client from now on."""
        guest = Guest(client, identity_of(request, method, params))
        guest.sockets.add(_socket(request))
        self._guests[guest] = None
        return guest

    def greet(self, request: Any, guest: Guest[_Client]) -> None:
        """Give a client its cookie, with the answer to its request."""
        if not guest.greeted:
            guest.greeted = True
            set_cookie(request, f"{COOKIE}={guest.cookie}; Path=/; HttpOnly; SameSite=Strict")

    def indistinguishable(self, client: _Client) -> list[_Client]:
        """The clients that may be this one, seen on another socket, where such clients keep no cookies."""
        mine = next((guest for guest in self._guests if guest.client is client), None)
        if mine is None or mine.keeps_cookies:
            return []
        same = [each for each in self._guests if each.identity == mine.identity and not each.keeps_cookies]
        known_to_keep_none = any(each.keeps_cookies is False for each in same)
        return [each.client for each in same if each is not mine] if known_to_keep_none else []

    def remove(self, guest: Guest[_Client]) -> None:
        """Know a client no longer."""
        guest.wait_for(None, lambda: None)
        self._guests.pop(guest, None)

    def too_many(self) -> list[Guest[_Client]]:
        """The clients that were not seen for the longest time, where there are too many."""
        return list(self._guests)[: max(0, len(self._guests) - _MOST)]


def identity_of(request: Any, method: str, params: Json | None) -> Identity:
    """What a client says of itself and proves it with, as a digest: credentials are not kept."""
    host = request.client.host if request.client else None
    proofs = [request.headers.get(name) for name in _CREDENTIALS]
    others = {name: value for name, value in _cookies(request).items() if name != COOKIE}
    said = canonical([host, proofs, others, client_of(method, params)])
    return hashlib.sha256(said).digest()


def _socket(request: Any) -> object:
    return (request.client.host, request.client.port) if request.client else None


def _cookie(request: Any) -> str | None:
    return _cookies(request).get(COOKIE)


def _cookies(request: Any) -> dict[str, str]:
    try:
        return {
            name: morsel.value for name, morsel in SimpleCookie(request.headers.get("cookie", "")).items()
        }
    except CookieError:
        return {}
