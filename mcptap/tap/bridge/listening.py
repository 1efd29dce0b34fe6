"""A modern client's ``subscriptions/listen`` over a handshake session (2026-07-28, "Subscriptions")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio

from mcptap.bridging import to_handshake
from mcptap.bridging.common import ACKNOWLEDGED, LIST_CHANGES, UPDATED, concerns
from mcptap.exchange import Exchange, RpcError
from mcptap.model import Json
from mcptap.protocol import META, SUBSCRIPTION_META, meta_of

_MOST_WAITING: Final = 1_000
_GOODBYE: Final = 2.0


class Listeners:
    """The streams of one client, and the resources that it is subscribed to on their behalf.

    Args:
        subscribe: Sends ``resources/subscribe`` or ``resources/unsubscribe`` for a URI.
    """

    def __init__(self) -> None:
        self._streams: list[_Stream] = []
        self._uris: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._streams)

    def tell(self, method: str, params: Json | None) -> None:
        """Hand on what the server says to all streams that want to hear it."""
        for stream in self._streams:
            stream.tell(method, params)

    def announce(self, method: str) -> None:
        """Hand on that a list has changed, unless a stream is about to: many sessions may tell of it."""
        for stream in self._streams:
            if not stream.unsaid[method]:
                stream.tell(method, None)

    def close(self) -> None:
        """End every stream with its result."""
        for stream in self._streams:
            stream.end()

    async def serve(
        self,
        exchange: Exchange,
        capabilities: Any,
        server_info: Any,
        send: Callable[[str, str], Awaitable[bool]],
    ) -> Json:
        """Serve one stream until the client closes it, or until there is nothing to come any more.

        Args:
            exchange: The client's request.
            capabilities: The server's.
            server_info: The server's.
            send: Sends a request about a URI; whether the server has agreed.
        """
        granted = to_handshake.honoured((exchange.params or {}).get("notifications"), capabilities)
        stream = _Stream(exchange, granted)
        self._streams.append(stream)
        subscribed: list[str] = []
        try:
            for uri in granted.get("resourceSubscriptions", []):
                if self._uris[uri] or await send("resources/subscribe", uri):
                    self._uris[uri] += 1
                    subscribed.append(uri)
            stream.grant(subscribed)
            await stream.run()
        finally:
            self._streams.remove(stream)
            with anyio.move_on_after(_GOODBYE, shield=True):
                for uri in subscribed:
                    self._uris[uri] -= 1
                    if not self._uris[uri]:
                        await send("resources/unsubscribe", uri)
        return to_handshake.result("", {META: {SUBSCRIPTION_META: exchange.id}}, server_info)


class _Stream:
    def __init__(self, exchange: Exchange, granted: dict[str, Any]) -> None:
        self._exchange = exchange
        self._granted = granted
        self.unsaid: Counter[str] = Counter()
        self._say, self._said = anyio.create_memory_object_stream[tuple[str, Json | None]](_MOST_WAITING)

    def grant(self, uris: list[str]) -> None:
        self._granted.pop("resourceSubscriptions", None)
        if uris:
            self._granted["resourceSubscriptions"] = uris

    def tell(self, method: str, params: Json | None) -> None:
        if self._wants(method, params):
            try:
                self._say.send_nowait((method, params))
                self.unsaid[method] += 1
            except anyio.WouldBlock:
                self.end()  # who doesn't read must listen again and look for itself
            except anyio.ClosedResourceError:
                pass

    def end(self) -> None:
        self._say.close()

    async def run(self) -> None:
        await self._send(ACKNOWLEDGED, {"notifications": self._granted})
        async for method, params in self._said:
            self.unsaid[method] -= 1
            await self._send(method, params)

    async def _send(self, method: str, params: Json | None) -> None:
        signed = {**meta_of(params), SUBSCRIPTION_META: self._exchange.id}
        await self._exchange.notify(method, {**(params or {}), META: signed})

    def _wants(self, method: str, params: Json | None) -> bool:
        if method == UPDATED:
            updated = (params or {}).get("uri")
            return any(concerns(uri, updated) for uri in self._granted.get("resourceSubscriptions", []))
        return method in LIST_CHANGES and LIST_CHANGES[method][0] in self._granted


async def agreed(request: Awaitable[Json]) -> bool:
    """Whether a request of mcptap's own was answered with a result."""
    try:
        await request
    except RpcError:
        return False
    return True
