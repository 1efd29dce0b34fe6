"""What the pipe client and the HTTP client have in common: ids, arrivals, answers to the server."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Literal, Self, TypeAlias

from tests.clients.exact import Message, spell

Era: TypeAlias = Literal["handshake", "modern"]
Params: TypeAlias = Mapping[str, Any] | str | None
"""Params as values, or as a JSON text that is sent as it stands (and never given an envelope)."""
Reply: TypeAlias = Mapping[str, Any] | None
"""An answer to a server request: ``{"result": …}`` or ``{"error": …}``; None leaves it unanswered."""
OnRequest: TypeAlias = Callable[[Message], Reply | Awaitable[Reply]]

MODERN_VERSION = "2026-07-28"
HANDSHAKE_VERSION = "2025-11-25"
VERSION_META = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO = {"name": "raw", "title": "Raw", "version": "1.0"}
CAPABILITIES: Mapping[str, Any] = {
    "elicitation": {"form": {}},
    "sampling": {},
    "roots": {"listChanged": True},
}


def modern_meta(**more: Any) -> dict[str, Any]:
    """The ``_meta`` that every request of the modern era carries; ``more`` comes first."""
    return {
        **more,
        VERSION_META: MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": CLIENT_INFO,
        "io.modelcontextprotocol/clientCapabilities": CAPABILITIES,
    }


def compose(method: str, params: str | None, *, identity: Any = None) -> str:
    """A request (with ``identity``) or a notification, as one line."""
    head = '{"jsonrpc":"2.0",' + (f'"id":{spell(identity)},' if identity is not None else "")
    return f'{head}"method":{spell(method)}' + (f',"params":{params}' if params is not None else "") + "}"


class Client(ABC):
    """A raw MCP client: it sends what it is told and keeps everything that arrives, in order.

    Attributes:
        era: In the modern era the envelope is added to params that don't carry their own.
        timeout: Seconds after which anything that waits raises TimeoutError.
        on_request: Answers server requests, if given; otherwise the test does, with `respond`.
        arrivals: Every message that arrived, answers included, in order.
    """

    def __init__(
        self, *, era: Era = "handshake", timeout: float = 20.0, on_request: OnRequest | None = None
    ) -> None:
        self.era = era
        self.timeout = timeout
        self.on_request = on_request
        self.arrivals: list[Message] = []
        self._last_id = 0
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def notifications(self) -> list[Message]:
        return [message for message in self.arrivals if message.method and "id" not in message.body]

    @property
    def requests(self) -> list[Message]:
        """What the server asked."""
        return [message for message in self.arrivals if message.method and "id" in message.body]

    @abstractmethod
    async def request(
        self,
        method: str,
        params: Params = None,
        *,
        id: int | str | None = None,  # noqa: A002 - the protocol's word
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the point is that every call has one
    ) -> Message:
        """Send a request and wait for the message that answers it (``headers``: HTTP only)."""

    @abstractmethod
    async def notify(self, method: str, params: Params = None) -> None:
        """Send a notification."""

    @abstractmethod
    async def respond(self, request: Message, reply: Mapping[str, Any]) -> None:
        """Answer a server request with ``{"result": …}`` or ``{"error": …}``."""

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        meta: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Message:
        """Call a tool; ``options`` are those of `request`."""
        params: dict[str, Any] = {"name": name, "arguments": arguments or {}}
        if meta:
            params["_meta"] = meta
        return await self.request("tools/call", params, **options)

    async def arrived(self, method: str, count: int = 1) -> list[Message]:
        """Wait until ``count`` notifications or server requests of this method have arrived."""
        async with self._within(self.timeout, f"{count} of {method}"):
            while True:
                changed = self._changed
                found = [message for message in self.arrivals if message.method == method]
                if len(found) >= count:
                    return found
                await changed.wait()

    async def answered(self, identity: int | str) -> Message:
        """Wait until a request has its answer, on whatever stream."""
        async with self._within(self.timeout, f"the answer to {identity!r}"):
            while True:
                changed = self._changed
                for message in self.arrivals:
                    if message.method is None and message.id == identity:
                        return message
                await changed.wait()

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _spell(self, params: Params, *, envelope: bool) -> str | None:
        if isinstance(params, str):
            return params
        if envelope and self.era == "modern":
            meta = (params or {}).get("_meta", {})
            if VERSION_META not in meta:
                params = {**(params or {}), "_meta": modern_meta(**meta)}
        return None if params is None else spell(params)

    def _receive(self, message: Message) -> None:
        self.arrivals.append(message)
        self._changed.set()
        self._changed = asyncio.Event()
        if message.method and "id" in message.body and self.on_request is not None:
            self._spawn(self._reply(message, self.on_request))

    async def _reply(self, message: Message, on_request: OnRequest) -> None:
        reply = on_request(message)
        if inspect.isawaitable(reply):
            reply = await reply
        if reply is not None:
            await self.respond(message, reply)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _end_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _within(self, seconds: float, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise TimeoutError(f"{what}: nothing within {seconds} s{self._describe()}") from None

    def _describe(self) -> str:
        """What more there is to say where something failed."""
        return ""
