"""A client of the handshake era before a server of the modern era."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

import anyio

from mcptap.bridging import to_modern
from mcptap.bridging.common import ACKNOWLEDGED, LEVELS, is_capable, required_capability
from mcptap.exchange import INTERNAL_ERROR, Channel, Exchange, RpcError
from mcptap.model import Json
from mcptap.protocol import CAPABILITIES_META, HEADER_MISMATCH, INVALID_PARAMS, METHOD_NOT_FOUND
from mcptap.tap.bridge.way import Surroundings, Way
from mcptap.tap.downstream import Downstream

_MOST_ROUNDS: Final = 100
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_RELISTEN: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
_NOT_FOR_MODERN: Final = frozenset(
    {"notifications/initialized", "notifications/roots/list_changed", "notifications/progress"}
)


class HandshakeClient:
    """One handshake client's session, made of stateless requests.

    Args:
        host: The client's connection; closing it ends everything here.
        client: What the client says of itself.
        around: What all bridged clients share.
    """

    def __init__(self, host: Downstream, client: Json | None, around: Surroundings) -> None:
        self._host = host
        self._around = around
        self._session = host.new_session("modern", client)
        self._session.channel = _Events(host.channel)
        self._envelope: Mapping[str, Any] = {}
        self._capabilities: Any = None
        self._level: str | None = None
        self._subscriptions: dict[str, anyio.CancelScope] = {}
        self._listening = anyio.CancelScope()
        host.on_close(self.close)

    async def open(self, exchange: Exchange, way: Way) -> Json:
        """Answer the client's ``initialize`` from ``server/discover``.

        Raises:
            RpcError: The server doesn't answer that, or speaks no version that mcptap knows.
        """
        self._envelope = to_modern.envelope(exchange.params)
        found = await self._ask_server(way, "server/discover", {}, exchange)
        if not to_modern.speaks_modern(found):
            raise RpcError.of(METHOD_NOT_FOUND, "The server offers no version that can be bridged")
        self._capabilities = found.get("capabilities")
        return to_modern.initialize_result((exchange.params or {}).get("protocolVersion"), found)

    def close(self) -> None:
        """End what the server is listened to for."""
        self._listening.cancel()
        for scope in self._subscriptions.values():
            scope.cancel()

    async def request(self, exchange: Exchange, way: Way) -> Json:
        """Answer one request of the client.

        Raises:
            RpcError: The server's error, or why the request can't be bridged.
        """
        if refused := to_modern.refusal(exchange.method):
            raise refused
        params = exchange.params or {}
        match exchange.method:
            case "initialize":
                return await self.open(exchange, way)
            case "ping":
                return {}
            case "logging/setLevel":
                if params.get("level") not in LEVELS:
                    raise RpcError.of(INVALID_PARAMS, f"There is no log level {params.get('level')!r}")
                self._level = params["level"]
                return {}
            case "resources/subscribe":
                return await self._subscribe(params, way)
            case "resources/unsubscribe":
                if scope := self._subscriptions.pop(str(params.get("uri")), None):
                    scope.cancel()
                return {}
        return await self._rounds(exchange, way)

    async def notify(self, method: str, params: Json | None, way: Way) -> None:
        """Take what the client says outside any request; it has opened its session with the first of it."""
        if method == "notifications/initialized":
            changes = to_modern.all_list_changes(self._capabilities)
            if changes:
                self._around.tasks.start_soon(self._keep_listening, changes, way)
        if method not in _NOT_FOR_MODERN:
            await way.notify(self._host, self._session, method, params)

    async def _rounds(self, exchange: Exchange, way: Way) -> Json:
        """Ask the server, and the client whatever the server needs for the answer."""
        params, pause, relearned = exchange.params, _FIRST_PAUSE, False
        for _ in range(_MOST_ROUNDS):
            try:
                found = await self._ask_server(way, exchange.method, params, exchange)
            except RpcError as error:
                if error.error.get("code") != HEADER_MISMATCH or exchange.method != "tools/call" or relearned:
                    raise RpcError(to_modern.error(exchange.method, error.error)) from None
                relearned = True
                await self._learn_tools(way)
                continue
            if found.get("resultType") != "input_required":
                return to_modern.result(exchange.method, found)
            requests = to_modern.input_requests(found, lambda: str(uuid.uuid4()))
            answers = await self._ask_client(exchange, requests)
            if not requests:
                await anyio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            params = to_modern.retry(exchange.params, answers, found)
        message = f"The server wanted input {_MOST_ROUNDS} times for one {exchange.method}"
        raise RpcError.of(INTERNAL_ERROR, message)

    async def _ask_client(
        self, exchange: Exchange, requests: Mapping[str, tuple[str, Json | None]]
    ) -> dict[str, Json]:
        """Put all requests of a round to the client at once.

        Raises:
            RpcError: The client has refused one: there is no way to tell a modern server.
        """
        answers: dict[str, Json] = {}
        refused: list[RpcError] = []
        for method, params in requests.values():
            if not is_capable(self._envelope.get(CAPABILITIES_META), required_capability(method, params)):
                message = f"The server asks for {method}, which the client is not capable of"
                raise RpcError.of(INTERNAL_ERROR, message)

        async def ask(key: str, method: str, params: Json | None) -> None:
            try:
                answers[key] = await exchange.ask(method, params)
            except RpcError as error:
                refused.append(error)
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for key, (method, params) in requests.items():
                tasks.start_soon(ask, key, method, params)
        if refused:
            raise refused[0]
        return {key: answers[key] for key in requests}

    async def _learn_tools(self, way: Way) -> None:
        """Look at the tools, whose schemas say which headers a call needs."""
        params: Json = {}
        for _ in range(_MOST_ROUNDS):
            page = await self._ask_server(way, "tools/list", params, None)
            self._around.learn(page)
            if not isinstance(page.get("nextCursor"), str):
                return
            params = {"cursor": page["nextCursor"]}

    # What the server says outside any request, which it must be asked for.

    async def _subscribe(self, params: Json, way: Way) -> Json:
        uri = params.get("uri")
        if not isinstance(uri, str):
            raise RpcError.of(INVALID_PARAMS, "Invalid params: a subscription needs the uri of a resource")
        if uri not in self._subscriptions:
            events = _Events(self._host.channel)
            scope = self._subscriptions[uri] = anyio.CancelScope()
            self._around.tasks.start_soon(self._listen, {"resourceSubscriptions": [uri]}, way, events, scope)
            await events.begun.wait()
            if events.refused is not None or uri not in events.granted.get("resourceSubscriptions", []):
                self._subscriptions.pop(uri).cancel()
                reason = "The server doesn't tell of updates to this resource"
                raise events.refused or RpcError.of(METHOD_NOT_FOUND, reason)
        return {}

    async def _keep_listening(self, wanted: Json, way: Way) -> None:
        """Hear of changes as long as the client is there, whenever the server ends the stream."""
        for pause in _RELISTEN:
            events = _Events(self._host.channel)
            await self._listen(wanted, way, events, self._listening)
            if self._listening.cancel_called or not events.acknowledged:
                return
            with self._listening:
                await anyio.sleep(pause)

    async def _listen(self, wanted: Json, way: Way, events: _Events, scope: anyio.CancelScope) -> None:
        params = to_modern.request({"notifications": wanted}, self._envelope, None)
        stream = Exchange(self._session, "subscriptions/listen", params, events, id="mcptap")
        try:
            with scope:
                await way.request(self._host, stream)
        except RpcError as error:
            events.refused = error
        finally:
            events.begun.set()

    async def _ask_server(self, way: Way, method: str, params: Json | None, carrier: Exchange | None) -> Json:
        stated = to_modern.request(params, self._envelope, self._level)
        if carrier is None:
            return await way.request(self._host, Exchange(self._session, method, stated, _Deaf()))
        upstream = carrier.another(self._session, method, stated, carrier.channel, carrier.cancelled)
        try:
            return await way.request(self._host, upstream)
        finally:
            carrier.took_as_long_as(upstream)


class _Events:
    """What comes on a subscription's stream, on its way to the client."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.granted: Mapping[str, Any] = {}
        self.refused: RpcError | None = None
        self.acknowledged = False
        self.begun = anyio.Event()

    async def notify(self, method: str, params: Json | None) -> None:
        if method == ACKNOWLEDGED:
            granted = (params or {}).get("notifications")
            self.granted = granted if isinstance(granted, Mapping) else {}
            self.acknowledged = True
            self.begun.set()
        else:
            await self._channel.notify(method, to_modern.event(params))

    async def ask(self, method: str, params: Json | None) -> Json:
        return await _Deaf().ask(method, params)


class _Deaf:
    """The modern era has nothing for a client that it has not asked for."""

    async def notify(self, method: str, params: Json | None) -> None:
        """Drop it."""

    async def ask(self, method: str, params: Json | None) -> Json:
        del params
        raise RpcError.of(METHOD_NOT_FOUND, f"Method not found: a modern server can't ask for {method}")
