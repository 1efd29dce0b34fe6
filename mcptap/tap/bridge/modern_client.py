"""A client of the modern era over a session of the handshake era."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import anyio

from mcptap.bridging import to_handshake
from mcptap.bridging.common import (
    INPUT_METHODS,
    LEVELS,
    LIST_CHANGES,
    LOG_MESSAGE,
    UPDATED,
    admits,
    is_capable,
    required_capability,
)
from mcptap.bridging.states import States
from mcptap.exchange import Exchange, RpcError
from mcptap.matching.canonical import canonical, essential
from mcptap.model import Json
from mcptap.protocol import (
    CAPABILITIES_META,
    HANDSHAKE_VERSIONS,
    INVALID_PARAMS,
    LOG_LEVEL_META,
    METHOD_NOT_FOUND,
    STREAM_CLOSED,
    meta_of,
)
from mcptap.tap.bridge.call import Ask, Call, wants
from mcptap.tap.bridge.listening import Listeners, agreed
from mcptap.tap.bridge.way import Surroundings, Way
from mcptap.tap.downstream import Downstream

_NOT_FOR_MODERN: Final = frozenset({STREAM_CLOSED, "notifications/elicitation/complete"})
_OUTSIDE: Final = frozenset({UPDATED, *LIST_CHANGES})


class ModernClient:
    """One modern client's session with a handshake server.

    Args:
        host: Holds the session; closing it ends everything here.
        client: What the client says of itself.
        around: What all bridged clients share.
        announce: Told which list has changed: the client may listen in another session.
    """

    def __init__(
        self, host: Downstream, client: Json | None, around: Surroundings, announce: Callable[[str], None]
    ) -> None:
        self._host = host
        self._around = around
        self._announce = announce
        self._session = host.new_session("handshake", client)
        self._session.channel = _SessionChannel(self)
        self._initialized: Json = {}
        self._capabilities: Any = None
        self._calls: list[Call] = []
        self._waiting: list[Ask] = []
        self._listeners = Listeners()
        self._states: States[tuple[Call, dict[str, Ask]]] = States(lambda: secrets.token_urlsafe(32))
        self._level: str | None = None
        self._level_lock = anyio.Lock()
        host.on_close(self.close)

    @property
    def busy(self) -> bool:
        """Whether something of the client's is open or pending."""
        return bool(self._calls or self._listeners or len(self._states))

    def has_issued(self, state: object) -> bool:
        """Whether a ``requestState`` is out that this client was given."""
        return self._states.owner(state) is self

    def leave(self) -> None:
        """End the session, where the client stays."""
        self.close()
        self._host.drop(self._session)

    async def open(self, exchange: Exchange, way: Way) -> None:
        """Introduce the client to the server, by what its request says of it.

        Raises:
            RpcError: The server doesn't want it.
        """
        self._capabilities = _capabilities(exchange)
        params = to_handshake.initialize_params(exchange.params)
        answer = await self._ask_server(exchange, way, "initialize", params)
        if answer.get("protocolVersion") not in HANDSHAKE_VERSIONS:
            message = f"The server wants version {answer.get('protocolVersion')!r}, which can't be bridged"
            raise RpcError.of(METHOD_NOT_FOUND, message)
        self._initialized = answer
        await way.notify(self._host, self._session, "notifications/initialized", None)

    def close(self) -> None:
        """Take back what is pending, and end every stream."""
        self._listeners.close()
        for call in list(self._calls):
            call.cancel(None)
        for ask in self._waiting:
            ask.answer(RpcError.of(METHOD_NOT_FOUND, "The client is gone"))

    async def request(self, exchange: Exchange, way: Way) -> Json:
        """Answer one request of the client.

        Raises:
            RpcError: The server's error, or why the request can't be bridged.
        """
        if refused := to_handshake.refusal(exchange.method):
            raise refused
        match exchange.method:
            case "server/discover":
                return to_handshake.discover_result(self._initialized)
            case "subscriptions/listen":
                return await self._listen(exchange, way)
        params = exchange.params or {}
        if exchange.method in INPUT_METHODS and params.get("requestState") is not None:
            return await self._carry(await self._resume(exchange, way), exchange)
        return await self._carry(await self._begin(exchange, way), exchange)

    async def notify(self, method: str, params: Json | None, way: Way) -> None:
        """Pass on what the client says outside any request; the modern era itself has nothing there."""
        if method != "notifications/initialized":
            await way.notify(self._host, self._session, method, params)

    # What the server says and asks.

    def said(self, method: str, params: Json | None) -> Call | None:
        """Hear what the server says outside any request; give the call that carries it, if one does."""
        if method in _OUTSIDE:
            self._listeners.tell(method, params)
            if method in LIST_CHANGES:
                self._announce(method)
        elif method == LOG_MESSAGE:
            return next(
                (call for call in reversed(self._calls) if wants(call.carrier or call.first, params)), None
            )
        return None

    def overhear(self, method: str) -> None:
        """Hear that a list has changed, as another session was told."""
        self._listeners.announce(method)

    async def ask(self, method: str, params: Json | None, call: Call | None) -> Json:
        """Have the client asked, in ``call`` or in whichever of its requests can carry it."""
        if method == "ping":
            return {}
        if not to_handshake.can_be_asked(method):
            raise RpcError.of(METHOD_NOT_FOUND, f"Method not found: {method} can't be bridged")
        if call is not None and call.first.method not in INPUT_METHODS:
            call = None
        carrying = call or self._able_call()
        required = required_capability(method, params)
        if not is_capable(self._capabilities if call is None else _capabilities(call.first), required):
            if call is not None:
                call.settle(to_handshake.missing_capability(required))
                call.cancel({"reason": "the client can't be asked"})
            raise RpcError.of(METHOD_NOT_FOUND, f"Method not found: the client is not capable of {method}")
        ask = Ask(method, params, of_session=call is None)
        if carrying is None:
            self._waiting.append(ask)
        else:
            carrying.ask(ask)
        try:
            with anyio.fail_after(self._around.lifetime if carrying is None else None):
                return await ask.wait()
        except TimeoutError:
            raise RpcError.of(METHOD_NOT_FOUND, f"The client was not there to answer {method}") from None
        finally:
            if ask in self._waiting:
                self._waiting.remove(ask)
            for other in self._calls:
                other.forget(ask)

    def _able_call(self) -> Call | None:
        able = [call for call in self._calls if call.first.method in INPUT_METHODS and not call.over]
        return able[-1] if able else None

    # What the client asks.

    async def _begin(self, exchange: Exchange, way: Way) -> Call:
        await self._set_level(exchange, way)
        call = Call(exchange)
        method, params = exchange.method, to_handshake.request(exchange.method, exchange.params)
        upstream = exchange.another(self._session, method, params, _CallChannel(self, call), call.cancelled)
        call.upstream = upstream
        self._calls.append(call)
        call.start = lambda: self._around.tasks.start_soon(self._run, call, upstream, way)
        if exchange.method in INPUT_METHODS:
            for ask in self._waiting:
                call.ask(ask)
            self._waiting.clear()
        return call

    async def _run(self, call: Call, upstream: Exchange, way: Way) -> None:
        try:
            await call.run(lambda: way.request(self._host, upstream))
        finally:
            if not call.over:
                call.settle(RpcError.of(INVALID_PARAMS, "The request was taken back"))
            self._calls.remove(call)

    async def _carry(self, call: Call, exchange: Exchange) -> Json:
        """Wait with a request of the client for the outcome, or for something to ask the client."""
        method, info, since = exchange.method, self._initialized.get("serverInfo"), time.perf_counter()
        try:
            result = await call.answer(exchange)
        except RpcError as error:
            urls = to_handshake.urls_to_visit(error.error) if method in INPUT_METHODS else []
            if not urls:
                raise RpcError(to_handshake.error(method, exchange.params, error.error)) from None
            required = required_capability("elicitation/create", urls[0])
            if not is_capable(_capabilities(exchange), required):
                raise to_handshake.missing_capability(required) from None
            call.wants_urls = True
            for params in urls:
                call.ask(Ask("elicitation/create", params, of_session=False))
            result = None
        finally:
            if call.upstream is not None:
                exchange.took_as_long_as(call.upstream, since)
            if call.over:
                self._keep_asks_of_session(call)
        if result is not None:
            return to_handshake.result(method, result, info)
        asks = dict(call.asks)
        token = self._states.issue((call, asks), self, _request_of(exchange))
        timer = asyncio.get_running_loop().call_later(self._around.lifetime, self._abandon, call, token)
        call.resumed = timer.cancel
        requests = {key: to_handshake.input_request(ask.method, ask.params) for key, ask in asks.items()}
        return to_handshake.input_required(requests, token, info)

    def _keep_asks_of_session(self, call: Call) -> None:
        """Leave to the client's next request what this one has no more occasion to ask."""
        for ask in [ask for ask in call.asks.values() if ask.of_session]:
            call.forget(ask)
            self._waiting.append(ask)

    async def _resume(self, exchange: Exchange, way: Way) -> Call:
        params = exchange.params or {}
        found = self._states.redeem(params["requestState"], self, _request_of(exchange))
        if found is None:
            message = "Invalid requestState: it is unknown, expired, used, or of another request"
            raise RpcError.of(INVALID_PARAMS, message)
        call, asks = found
        call.resumed()
        answers = params.get("inputResponses")
        for key, ask in asks.items():
            answer = answers.get(key) if isinstance(answers, Mapping) else None
            if isinstance(answer, Mapping):
                call.asks.pop(key, None)
                ask.answer(answer)
        if call.wants_urls and not call.asks:
            return await self._begin(exchange, way)
        return call

    def _abandon(self, call: Call, token: str) -> None:
        self._states.withdraw(token)
        call.cancel({"reason": "the client did not come back"})

    async def _listen(self, exchange: Exchange, way: Way) -> Json:
        async def send(method: str, uri: str) -> bool:
            params = {"uri": uri}
            if not self._around.would_answer("handshake", method, params):
                return True
            return await agreed(self._ask_server(exchange, way, method, params))

        capabilities = self._initialized.get("capabilities")
        info = self._initialized.get("serverInfo")
        return await self._listeners.serve(exchange, capabilities, info, send)

    async def _set_level(self, exchange: Exchange, way: Way) -> None:
        """Have the server log what the request wants to hear; what others don't want is held back here.

        Raises:
            RpcError: There is no such level.
        """
        level = meta_of(exchange.params).get(LOG_LEVEL_META)
        if level is None:
            return
        if level not in LEVELS:
            raise RpcError.of(INVALID_PARAMS, f"Invalid params: there is no log level {level!r}")
        params = {"level": level}
        async with self._level_lock:
            enough = self._level is not None and admits(self._level, level)
            if enough or "logging" not in self._initialized.get("capabilities", {}):
                return
            self._level = level
            if self._around.would_answer("handshake", "logging/setLevel", params):
                await agreed(self._ask_server(exchange, way, "logging/setLevel", params))

    async def _ask_server(self, exchange: Exchange, way: Way, method: str, params: Json) -> Json:
        """A request that the client has no part in, though it is needed for one of the client's."""
        own = Exchange(self._session, method, params, _SessionChannel(self), span=exchange.span)
        try:
            return await way.request(self._host, own)
        finally:
            exchange.had_to_wait_for(own)


class _SessionChannel:
    """What the server says outside the client's requests."""

    def __init__(self, client: ModernClient) -> None:
        self._client = client

    async def notify(self, method: str, params: Json | None) -> None:
        if call := self._client.said(method, params):
            await call.notify(method, params)

    async def ask(self, method: str, params: Json | None) -> Json:
        return await self._client.ask(method, params, None)


class _CallChannel:
    """What the server says inside one call."""

    def __init__(self, client: ModernClient, call: Call) -> None:
        self._client = client
        self._call = call

    async def notify(self, method: str, params: Json | None) -> None:
        if method in _OUTSIDE:
            self._client.said(method, params)
        elif method not in _NOT_FOR_MODERN:
            await self._call.notify(method, params)

    async def ask(self, method: str, params: Json | None) -> Json:
        return await self._client.ask(method, params, self._call)


def _capabilities(exchange: Exchange) -> Any:
    """What the client of a modern request says that it is capable of."""
    return meta_of(exchange.params).get(CAPABILITIES_META)


def _request_of(exchange: Exchange) -> bytes:
    """What a retry has in common with the request that it repeats."""
    wanted: dict[str, Any] = essential(
        exchange.method, to_handshake.request(exchange.method, exchange.params)
    )
    return canonical([exchange.method, wanted])
