"""A bridge between a client and a server that are plain functions: no process, no socket."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel

from mcptap.exchange import Exchange, RpcError, Session
from mcptap.model import Era, Json
from mcptap.protocol import (
    CAPABILITIES_META,
    CLIENT_INFO_META,
    METHOD_NOT_FOUND,
    VERSION_META,
)
from mcptap.tap.bridge.bridge import Bridge, Eagerness
from mcptap.tap.bridge.way import Surroundings
from mcptap.tap.callers import Callers
from mcptap.tap.downstream import Downstream, Downstreams

PATIENCE = 20.0
ABLE: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
Answer: TypeAlias = Callable[[Exchange], Awaitable[Json]]


class Server:
    """What stands for the server: it answers by method, and keeps what it was sent.

    Attributes:
        era: The one era that it speaks.
        answers: Its answers.
        got: Requests and notifications, in order.
        sessions: The sessions that they came in.
    """

    def __init__(self, era: Era, **answers: Answer) -> None:
        self.era = era
        self.answers = {name.replace("_", "/"): answer for name, answer in answers.items()}
        self.got: list[tuple[str, Json | None]] = []
        self.sessions: list[Session] = []
        self.cancelled: list[Json | None] = []
        self.capabilities: Json = {
            "tools": {"listChanged": True},
            "resources": {"subscribe": True},
            "logging": {},
        }

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.got]

    @contextlib.asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[Server]:
        yield self

    async def request(self, exchange: Exchange) -> Json:
        self.got.append((exchange.method, exchange.params))
        if exchange.session not in self.sessions:
            self.sessions.append(exchange.session)
        opens = {"handshake": "initialize", "modern": "server/discover"}[self.era]
        if exchange.session.era != self.era or (
            exchange.method in {"initialize", "server/discover"} - {opens}
        ):
            raise RpcError.of(METHOD_NOT_FOUND, "Method not found")
        try:
            if exchange.method in self.answers:
                return await self.answers[exchange.method](exchange)
        except anyio.get_cancelled_exc_class():
            self.cancelled.append(exchange.cancelled())
            raise
        match exchange.method:
            case "initialize":
                info = {"name": "scene", "version": "1"}
                return {
                    "protocolVersion": "2025-11-25",
                    "capabilities": self.capabilities,
                    "serverInfo": info,
                }
            case "server/discover":
                versions = ["2026-07-28"]
                return {
                    "resultType": "complete",
                    "supportedVersions": versions,
                    "capabilities": self.capabilities,
                }
            case "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe":
                return {}
        raise RpcError.of(METHOD_NOT_FOUND, "Method not found")

    async def notify(self, method: str, params: Json | None) -> None:
        self.got.append((method, params))


class Ear:
    """What a client hears, and how it answers."""

    def __init__(self, answer: Callable[[str, Json | None], Json] | None = None) -> None:
        self.heard: list[tuple[str, Json | None]] = []
        self._answer = answer
        self._changed = anyio.Event()

    async def notify(self, method: str, params: Json | None) -> None:
        self.heard.append((method, params))
        self._changed.set()
        self._changed = anyio.Event()

    async def ask(self, method: str, params: Json | None) -> Json:
        if self._answer is None:
            raise RpcError.of(METHOD_NOT_FOUND, "nobody is there")
        self.heard.append((method, params))
        return self._answer(method, params)

    async def hears(self, method: str) -> Json | None:
        while True:
            for name, params in self.heard:
                if name == method:
                    return params
            await self._changed.wait()


class _Way:
    http = None

    async def request(self, host: Downstream, exchange: Exchange) -> Json:
        return await (await host.backend_session(exchange.session)).request(exchange)

    async def notify(self, host: Downstream, session: Session, method: str, params: Json | None) -> None:
        await (await host.backend_session(session)).notify(method, params)


class Client:
    """One client on a pipe.

    Attributes:
        ear: What it hears outside its requests.
    """

    def __init__(
        self, bridge: Bridge, connection: Downstream, ear: Ear, capabilities: Json, name: str
    ) -> None:
        self.ear = ear
        self.connection = connection
        self._bridge = bridge
        self._capabilities = capabilities
        self._name = name
        self._last = 0
        self._sessions: dict[Era, Session] = {}

    async def modern(
        self, method: str, params: Json | None = None, *, ear: Ear | None = None, meta: Json | None = None
    ) -> Json:
        info = {"name": self._name, "version": "1"}
        stamp = {VERSION_META: "2026-07-28", CLIENT_INFO_META: info, CAPABILITIES_META: self._capabilities}
        return await self.request(
            "modern", method, {**(params or {}), "_meta": {**stamp, **(meta or {})}}, ear
        )

    async def initialize(self) -> Json:
        info = {"name": self._name, "version": "1"}
        params = {"protocolVersion": "2025-06-18", "capabilities": self._capabilities, "clientInfo": info}
        answer = await self.request("handshake", "initialize", params)
        await self.notify("handshake", "notifications/initialized")
        return answer

    async def request(self, era: Era, method: str, params: Json | None, ear: Ear | None = None) -> Json:
        self._last += 1
        exchange = Exchange(self._session(era), method, params, ear or self.ear, id=self._last)
        return await self._bridge.request(self.connection, exchange, _Way())

    async def notify(self, era: Era, method: str, params: Json | None = None) -> None:
        await self._bridge.notify(self.connection, self._session(era), method, params, _Way())

    def _session(self, era: Era) -> Session:
        if era not in self._sessions:
            self._sessions[era] = self.connection.new_session(era, {"name": self._name, "version": "1"})
        return self._sessions[era]


class Scene:
    """A server, and as many clients as a test wants.

    Attributes:
        hints: What the user was told.
    """

    def __init__(self, server: Server, bridge: Bridge, tasks: Any, hints: list[str]) -> None:
        self.server = server
        self.bridge = bridge
        self.hints = hints
        self._tasks = tasks

    def client(self, *, ear: Ear | None = None, capabilities: Json = ABLE, name: str = "somebody") -> Client:
        ear = ear or Ear()
        connection = Downstream(self.server, self._tasks, "stdio", ear)
        return Client(self.bridge, connection, ear, capabilities, name)


def play(
    server: Server,
    scene: Callable[[Scene], Awaitable[None]],
    *,
    eagerness: Eagerness = "at once",
    lifetime: float = PATIENCE,
) -> None:
    """Run a test in a scene of its own."""

    async def run() -> None:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                hints: list[str] = []
                around = Surroundings(
                    tasks,
                    would_answer=lambda *_: True,
                    learn=lambda _: None,
                    trouble=lambda _: None,
                    lifetime=lifetime,
                    hint=hints.append,
                    callers=lambda: Callers(None),
                    patience=lambda: PATIENCE,
                )
                downstreams = Downstreams(server, tasks)
                await scene(Scene(server, Bridge(downstreams, around, eagerness), tasks, hints))
                tasks.cancel_scope.cancel()

    anyio.run(run)


async def until(condition: Callable[[], object]) -> None:
    """Let the others go on until something holds."""
    while not condition():
        await anyio.lowlevel.checkpoint()
