"""What is in flight on one connection to a server, and which of it a message of the server belongs to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from mcptap.exchange import Exchange
from mcptap.model import Json
from mcptap.protocol import (
    LISTEN,
    META,
    OUTSIDE_REQUESTS,
    PROGRESS,
    PROGRESS_TOKEN,
    SUBSCRIPTION_META,
    meta_of,
    progress_token_of,
)
from mcptap.tap.link import Id


@dataclass(frozen=True, slots=True)
class Route:
    """The way between a request and what the server says in it.

    Attributes:
        number: The request's id at the server.
        exchange: The client's request.
        token: Its progress token at the server.
    """

    number: Id
    exchange: Exchange
    token: Id | None

    def for_client(self, params: Json | None) -> Json | None:
        """A notification's params with the client's own progress token and request id in them."""
        if params is None:
            return None
        if self.token is not None and params.get(PROGRESS_TOKEN) == self.token:
            params = {**params, PROGRESS_TOKEN: progress_token_of(self.exchange.params)}
        meta = meta_of(params)
        if SUBSCRIPTION_META in meta:
            params = {**params, META: {**meta, SUBSCRIPTION_META: self.exchange.id}}
        return params


class Routing:
    """Routes by what a message names: the stream that it came on, a progress token, a subscription.

    A message that names nothing can only belong to the one request in flight, where there is just one;
    all that a subscription causes names it. Where stateless clients share the connection that must be
    beyond doubt, since it might be another client's. What a server writes besides answers and what belongs
    to subscriptions relates to a request in flight (specification 2026-07-28, stdio, "Receiving Messages"),
    so nothing comes of one that it has answered; but of one that was taken back something may be on its
    way, until it has answered a later one. And who once speaks with nothing in flight is believed no more.
    """

    def __init__(self) -> None:
        self._routes: dict[Id, Route] = {}
        self._by_token: dict[Id, Route] = {}
        self._last = 0
        self._doubt: float = 0

    def open(self, number: int, exchange: Exchange) -> Json | None:
        """Note a request that is about to be sent; give the params to send it with."""
        params, token = exchange.params, progress_token_of(exchange.params)
        if token is not None and (exchange.session.stateless or token in self._by_token):
            # Another client may have chosen the same, before this one too: late messages would be its.
            token = f"mcptap-{number}"
            params = {**(params or {}), META: {**meta_of(params), PROGRESS_TOKEN: token}}
        route = self._routes[number] = Route(number, exchange, token)
        if token is not None:
            self._by_token[token] = route
        self._last = number
        return params

    def close(self, number: int, *, answered: bool) -> None:
        """Forget a request that the server has answered, or that was taken back."""
        route = self._routes.pop(number)
        if route.token is not None:
            del self._by_token[route.token]
        if route.exchange.method == LISTEN:
            return
        if not answered:
            self._doubt = max(self._doubt, self._last)
        elif number > self._doubt:
            self._doubt = 0

    def in_flight(self) -> Iterator[Exchange]:
        """The requests that are open."""
        return (route.exchange for route in self._routes.values())

    def find(self, method: str, params: Json | None, origin: Id | None) -> Route | None:
        """The request that a message of the server belongs to, where that can be told.

        Args:
            method: The message's method.
            params: Its params.
            origin: Where it came from; see `mcptap.tap.link.Receiver.received`.
        """
        if origin is not None:
            return self._routes.get(origin)
        if method == PROGRESS:
            return self._named(self._by_token, (params or {}).get(PROGRESS_TOKEN))
        subscription = meta_of(params).get(SUBSCRIPTION_META)
        if subscription is not None:
            number = int(subscription) if str(subscription).isdecimal() else subscription
            return self._named(self._routes, number)
        return None if method in OUTSIDE_REQUESTS else self._only()

    def _only(self) -> Route | None:
        possible = [route for route in self._routes.values() if route.exchange.method != LISTEN]
        if not possible:
            self._doubt = math.inf
        if len(possible) != 1 or (self._doubt and possible[0].exchange.session.stateless):
            return None
        return possible[0]

    @staticmethod
    def _named(routes: Mapping[Id, Route], name: Any) -> Route | None:
        return routes.get(name) if _is_id(name) else None


def _is_id(value: Any) -> TypeGuard[Id]:
    return isinstance(value, (str, int)) and not isinstance(value, bool)
