"""Who is bridged, and from when on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from weakref import WeakKeyDictionary

import anyio

from mcptap.bridging import to_modern
from mcptap.errors import McptapError, UpstreamError
from mcptap.exchange import Exchange, RpcError, Session, UnansweredError, UnintelligibleError, on_behalf_of
from mcptap.matching.canonical import canonical, capabilities_of
from mcptap.model import Era, Json
from mcptap.protocol import INVALID_PARAMS, META, RESERVED_META_PREFIX, meta_of
from mcptap.tap.bridge.handshake_client import HandshakeClient
from mcptap.tap.bridge.modern_client import ModernClient
from mcptap.tap.bridge.stateless import Guest, Guests
from mcptap.tap.bridge.way import Surroundings, Way
from mcptap.tap.callers import Callers
from mcptap.tap.channel import NoChannel
from mcptap.tap.downstream import Downstream, Downstreams

Eagerness: TypeAlias = Literal["at once", "unless it falls back"]
"""When a modern client is bridged that asks ``server/discover``, as one does that might fall back."""

_PROBE_PATIENCE: Final = 10.0
_FALLS_BACK_WITHIN: Final = 10.0
_IDLE: Final = 600.0
_MOST_ABILITIES: Final = 16
_NPM_PROBE: Final = "server-discover-probe-"
_DISCOVER: Final = "server/discover"
_HINT: Final = (
    "a client of 2026-07-28 was told that the server doesn't speak that version, and went no further: "
    "if it can't fall back, start mcptap with --bridge auto"
)


@dataclass(slots=True, eq=False)
class _Client:
    """A client connection, or a modern client over HTTP.

    Attributes:
        host: Holds what it has at the backend.
        refused: Whether its ``server/discover`` was refused, and it has not fallen back since.
        modern: Its sessions, if it is of the modern era and bridged, by what it is capable of in them:
            a server may not conclude from one request what the client can do in another.
        handshake: Its session, if it is of the handshake era and bridged.
        deciding: Held while it is found out what it needs.
        opened: To be called when its session is open.
        requests: How many of its requests are being answered.
        callers: The processes that it is, where it has no connection.
    """

    host: Downstream
    refused: bool = False
    modern: dict[bytes, ModernClient] = field(default_factory=dict)
    handshake: HandshakeClient | None = None
    deciding: anyio.Lock = field(default_factory=anyio.Lock)
    opened: Callable[[Way], None] = lambda _: None
    requests: int = 0
    callers: Callers = field(default_factory=lambda: Callers(None))

    @property
    def idle(self) -> bool:
        """Whether nothing of it is open or pending."""
        return not self.requests and not any(each.busy for each in self.modern.values())


class Bridge:
    """Sits between the clients and the way to the server.

    It lets pass what both sides understand. What the server speaks is learned from its answers, and where
    a client doesn't ask for it, by a ``server/discover`` of mcptap's own, which is not recorded.

    Args:
        downstreams: The clients.
        around: What bridged clients share.
        eagerness: When a client that could perhaps fall back is bridged.
        spoken: The eras that the server speaks, where that is known.

    Attributes:
        falls_back_within: Seconds after which a client that was refused is thought to do nothing any more.
    """

    def __init__(
        self,
        downstreams: Downstreams,
        around: Surroundings,
        eagerness: Eagerness,
        spoken: frozenset[Era] | None = None,
    ) -> None:
        self._downstreams = downstreams
        self._around = around
        self._at_once = eagerness == "at once"
        self._speaks_modern = None if not spoken else "modern" in spoken
        self._speaks_handshake = None if not spoken else "handshake" in spoken
        self._replays = spoken is not None
        self._learning = anyio.Lock()
        self._clients: WeakKeyDictionary[Downstream, _Client] = WeakKeyDictionary()
        self._guests: Guests[_Client] = Guests()
        self._at_a_loss: set[bytes] = set()
        self.falls_back_within = _FALLS_BACK_WITHIN

    async def request(self, downstream: Downstream, exchange: Exchange, way: Way) -> Json:
        """Answer a client's request, bridged where that is needed.

        Raises:
            RpcError: The server's error, or why the request can't be bridged.
        """
        if exchange.session.era == "handshake":
            return await self._handshake(self._client_of(downstream), downstream, exchange, way)
        if self._speaks_modern:
            await self._decided(downstream)
            return await way.request(downstream, exchange)
        if not self._downstreams.is_stateless(downstream):
            return await self._modern(self._client_of(downstream), downstream, exchange, way)
        guest = self._guest_of(exchange, way)
        guest.client.requests += 1
        try:
            return await self._modern(guest.client, downstream, exchange, way)
        finally:
            guest.client.requests -= 1
            self._expect(guest)

    async def notify(
        self, downstream: Downstream, session: Session, method: str, params: Json | None, way: Way
    ) -> None:
        """Take a client's notification, bridged where that is needed."""
        await self._decided(downstream)
        client = self._clients.get(downstream)
        bridged: ModernClient | HandshakeClient | None = None
        if client is not None:
            modern = next(reversed(client.modern.values()), None)
            bridged = modern if session.era == "modern" else client.handshake
        if bridged is not None:
            await bridged.notify(method, params, way)
        else:
            await way.notify(downstream, session, method, params)

    async def _decided(self, downstream: Downstream) -> None:
        """Overtake none of a client's messages that wait until it is found out what the client needs."""
        client = self._clients.get(downstream)
        if client is not None and client.deciding.locked():
            async with client.deciding:
                pass

    # Clients of the handshake era.

    async def _handshake(self, client: _Client, downstream: Downstream, exchange: Exchange, way: Way) -> Json:
        if client.handshake is not None:
            return await on_behalf_of(exchange, client.handshake.request(exchange, way))
        if exchange.method != "initialize":
            return await way.request(downstream, exchange)
        client.refused = False
        self._at_a_loss.discard(canonical(exchange.session.client))
        refused: RpcError | None = None
        if self._speaks_handshake is not False or self._refused_before("handshake", exchange):
            if not self._speaks_handshake:
                exchange.tolerated = UnintelligibleError
            try:
                result = await way.request(downstream, exchange)
            except RpcError as error:
                if self._speaks_handshake or self._is_away(error):
                    raise
                refused = error
            else:
                self._speaks_handshake = True
                return result
        host = downstream if refused is None else await self._after(refused, downstream, exchange)
        bridged = HandshakeClient(host, exchange.session.client, self._around)
        try:
            result = await on_behalf_of(exchange, bridged.open(exchange, way))
        except RpcError as error:
            raise refused or error from None
        client.handshake = bridged
        self._speaks_modern, self._speaks_handshake = True, False
        return result

    # Clients of the modern era.

    async def _modern(self, client: _Client, downstream: Downstream, exchange: Exchange, way: Way) -> Json:
        able = capabilities_of(exchange.params)
        if able not in client.modern:
            async with client.deciding:
                if able not in client.modern:
                    if exchange.method == _DISCOVER and not client.modern:
                        found = await on_behalf_of(
                            exchange, self._discover(client, downstream, exchange, way)
                        )
                        if found is not None:
                            return found
                    elif client.modern or not await self._learn(downstream, exchange):
                        await on_behalf_of(exchange, self._open(client, exchange, way, None))
            if client.modern and self._downstreams.is_stateless(downstream):
                downstream.drop(exchange.session)  # what was asked there has been refused
        bridged = client.modern.get(able)
        if bridged is None:
            return await way.request(downstream, exchange)
        try:
            return await on_behalf_of(exchange, bridged.request(exchange, way))
        except UnansweredError:
            if client.modern.get(able) is bridged and not bridged.busy:
                del client.modern[able]  # the next request begins another session
                bridged.leave()
            raise

    async def _discover(
        self, client: _Client, downstream: Downstream, exchange: Exchange, way: Way
    ) -> Json | None:
        """Let a client discover the server.

        Returns:
            What the server says of itself; ``None`` if the client is bridged from now on.

        Raises:
            RpcError: The server doesn't say it, and the client might be glad to hear that.
        """
        refused = None
        bridges = self._at_once or client.refused or str(exchange.id).startswith(_NPM_PROBE)
        if self._speaks_modern is None or not bridges or self._refused_before("modern", exchange):
            if bridges:
                exchange.tolerated = UnansweredError
            try:
                found = await way.request(downstream, exchange)
            except RpcError as error:
                client.refused = True
                refused = error
                if not bridges:
                    if not self._is_away(error):
                        self._expect_fallback(client, exchange.session.client)
                    raise
            else:
                self._speaks_modern = to_modern.speaks_modern(found) or None
                if self._speaks_modern or not bridges:
                    return found
        await self._open(client, exchange, way, refused)
        return None

    def _expect_fallback(self, client: _Client, said: Json | None) -> None:
        """Tell the user how to help a client that goes no further, now that it was refused.

        It may come back on another connection, so it is known by what it says of itself.
        """
        name = canonical(said)

        def give_up() -> None:
            if name in self._at_a_loss:
                self._at_a_loss.discard(name)
                self._around.hint(_HINT)

        async def wait() -> None:
            await anyio.sleep(self.falls_back_within)
            give_up()

        if name not in self._at_a_loss:
            self._at_a_loss.add(name)
            client.host.on_close(give_up)
            self._around.tasks.start_soon(wait)

    async def _learn(self, downstream: Downstream, exchange: Exchange) -> bool:
        """Find out whether the server speaks the modern era, or could not be asked."""
        async with self._learning:
            if self._speaks_modern is not None:
                return self._speaks_modern
            meta = {
                key: value
                for key, value in meta_of(exchange.params).items()
                if key.startswith(RESERVED_META_PREFIX)
            }
            try:
                self._speaks_modern = await self._probe(downstream, exchange.session, exchange, meta) or None
            except McptapError:
                return True
            return bool(self._speaks_modern)

    async def _probe(self, downstream: Downstream, session: Session, exchange: Exchange, meta: Json) -> bool:
        """Ask the server, unrecorded, whether it speaks the modern era, before a request goes to it.

        Raises:
            McptapError: It can't be reached.
        """
        probe = Exchange(session, _DISCOVER, {META: meta}, NoChannel(), tolerated=UnansweredError)
        try:
            backend_session = await downstream.backend_session(session)
            with anyio.move_on_after(_PROBE_PATIENCE):
                return to_modern.speaks_modern(await on_behalf_of(exchange, backend_session.request(probe)))
        except UnansweredError:
            downstream.drop(session)  # it may have ended with the connection
        except RpcError:
            pass
        finally:
            exchange.had_to_wait_for(probe)
        return False

    async def _open(self, client: _Client, exchange: Exchange, way: Way, refused: RpcError | None) -> None:
        if len(client.modern) >= _MOST_ABILITIES:
            raise RpcError.of(INVALID_PARAMS, "The client has declared too many different capabilities")
        host = client.host.sibling() if client.modern else client.host
        bridged = ModernClient(
            host,
            exchange.session.client,
            self._around,
            lambda method: self._announce(method, client, bridged),
        )
        try:
            await bridged.open(exchange, way)
        except RpcError as error:
            bridged.leave()
            raise refused or error from None
        client.modern[capabilities_of(exchange.params)] = bridged
        self._at_a_loss.discard(canonical(exchange.session.client))
        client.opened(way)
        self._speaks_modern, self._speaks_handshake = False, True

    def _announce(self, method: str, client: _Client, told: ModernClient) -> None:
        """Tell a client in all its sessions that a list has changed, which the server said in one of them."""
        for each in [client, *self._guests.indistinguishable(client)]:
            for session in each.modern.values():
                if session is not told:
                    session.overhear(method)

    async def _after(self, refused: RpcError, downstream: Downstream, exchange: Exchange) -> Downstream:
        """A connection for a client whose ``initialize`` was refused.

        Raises:
            UnintelligibleError: The refusal was no JSON-RPC, and nobody is there for the modern era either.
        """
        # A server on a pipe may hold on to the era of the first message that it got.
        downstream.drop(exchange.session)
        host = downstream.sibling()
        if isinstance(refused, UnintelligibleError):
            session = host.new_session("modern", exchange.session.client)
            if not await self._probe(host, session, exchange, to_modern.envelope(exchange.params)):
                self._around.trouble(UpstreamError(str(refused)))
                raise refused
        return host

    def _is_away(self, error: RpcError) -> bool:
        """Whether an error says that nobody is there, rather than that the request is not understood."""
        if isinstance(error, UnintelligibleError) or self._replays:
            return False
        return isinstance(error, UnansweredError)

    def _refused_before(self, era: Era, exchange: Exchange) -> bool:
        """Whether a recording has a refusal of this request, which is then played."""
        return self._replays and self._around.would_answer(era, exchange.method, exchange.params)

    # Who is who.

    def _client_of(self, downstream: Downstream) -> _Client:
        client = self._clients.get(downstream)
        if client is None:
            client = self._clients[downstream] = _Client(downstream)
        return client

    def _guest_of(self, exchange: Exchange, way: Way) -> Guest[_Client]:
        state = (exchange.params or {}).get("requestState")

        def gave_state(client: _Client) -> bool:
            return any(each.has_issued(state) for each in client.modern.values())

        found = self._guests.find(
            way.http,
            exchange.method,
            exchange.params,
            gave_state=gave_state,
            is_busy=lambda client: client.requests > 0,
        )
        if found is None:
            client = _Client(self._downstreams.detached(), callers=self._around.callers())
            guest = found = self._guests.add(way.http, exchange.method, exchange.params, client)
            client.opened = lambda way: self._guests.greet(way.http, guest)
            for oldest in self._guests.too_many():
                if oldest.client.idle:
                    self._forget(oldest)
        found.client.callers.note(way.http.scope)
        return found

    def _expect(self, guest: Guest[_Client]) -> None:
        """Wait for a client to come again, until it is clear that it doesn't."""
        loop = asyncio.get_running_loop()
        too_late = loop.time() + _IDLE

        def look() -> None:
            over = loop.time() >= too_late or guest.client.callers.have_ended()
            if over and guest.client.idle:
                self._forget(guest)
            else:
                guest.wait_for(self._around.patience(), look)

        guest.wait_for(self._around.patience(), look)

    def _forget(self, guest: Guest[Any]) -> None:
        self._guests.remove(guest)
        self._around.tasks.start_soon(guest.client.host.close)
