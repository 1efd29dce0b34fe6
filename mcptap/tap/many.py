"""Many taps on one port, each at a path of its own and with a failure of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import quote

import anyio
from anyio.abc import TaskStatus
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mcptap.errors import McptapError, UpstreamError
from mcptap.tap.app import Tap
from mcptap.tap.http_front import NetworkTransport, application_of, run_server, server_of
from mcptap.tap.websocket_front import HostOriginGuard
from mcptap.telemetry.settings import METRICS_PATH

ENDPOINTS: Final[dict[str, NetworkTransport]] = {"/mcp": "http", "/sse": "sse", "/ws": "ws"}
_MESSAGES: Final = "/messages"
_BESIDE: Final = {METRICS_PATH: "/mcp"}  # what its application also serves, if it was asked for


def path_of(name: str) -> str:
    """Where a server's endpoints begin; its name may hold what a path may not."""
    return f"/{quote(name, safe='@:')}"


async def serve_many(
    taps: Mapping[str, Tap], taken: socket.socket, *, announce: Callable[[str], None], stop: anyio.Event
) -> None:
    """Serve clients until told to stop, or until no tap can go on.

    Args:
        taps: What answers, by the name that its path begins with.
        taken: A listening socket; it is closed at the end.
        announce: Told the name of each tap that is served from then on.
        stop: Set from outside.
    """
    hosts = {name: _Host(name, tap) for name, tap in taps.items()}
    server = server_of(HostOriginGuard(_Switch(hosts)), lifespan="off", websockets=True)

    async def until_stopped() -> None:
        await stop.wait()
        for tap in taps.values():
            tap.end_recording()
        server.should_exit = True

    async def until_all_are_out() -> None:
        for host in hosts.values():
            await host.out.wait()
        server.should_exit = True

    async with anyio.create_task_group() as holders:
        for host in hosts.values():
            if await holders.start(host.hold):
                announce(host.name)
        async with anyio.create_task_group() as tasks:
            for task in (until_stopped, until_all_are_out, *(host.check for host in hosts.values())):
                tasks.start_soon(task)
            await run_server(server, taken)
            tasks.cancel_scope.cancel()
        for host in hosts.values():
            host.over.set()


class _Host:
    """One tap with its applications: what it needs is held by a task, and whatever fails stays in here."""

    def __init__(self, name: str, tap: Tap) -> None:
        self.name = name
        self.tap = tap
        self.apps: dict[str, ASGIApp] = {}
        self.over = anyio.Event()
        self.out = anyio.Event()

    async def hold(self, *, task_status: TaskStatus[bool]) -> None:
        """Keep the tap running until it is over, or can't go on; say first whether it runs."""
        started = False
        try:
            async with AsyncExitStack() as stack:
                for path, transport in ENDPOINTS.items():
                    app = application_of(self.tap, path, transport)
                    await stack.enter_async_context(app.router.lifespan_context(app))
                    self.apps[path] = app
                started = True
                task_status.started(True)
                await self._until_over()
                self.apps.clear()
        except Exception as error:  # noqa: BLE001 - whatever it was, the others go on
            self.tap.fail(_as_reported(error), stop=False)
        finally:
            self.apps.clear()
            self.out.set()
            if not started:
                task_status.started(False)

    async def check(self) -> None:
        """Report early that the server can't be reached; it may still come."""
        if self.apps:
            await self.tap.check()

    async def _until_over(self) -> None:
        async with anyio.create_task_group() as tasks:

            async def stopped() -> None:
                await self.tap.stopped()
                self.tap.end_recording()
                tasks.cancel_scope.cancel()

            tasks.start_soon(stopped)
            await self.over.wait()
            tasks.cancel_scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or open a WebSocket, whose path begins with the tap's name."""
        path = scope["path"].removeprefix(scope["root_path"])
        endpoint = _BESIDE.get(path) or ("/sse" if path.startswith(_MESSAGES) else path.rstrip("/"))
        if endpoint not in ENDPOINTS:
            where = ", ".join(f"{path_of(self.name)}{path}" for path in ENDPOINTS)
            await _answer(f"the server {self.name!r} is at {where}", 404, scope, receive, send)
        elif (app := self.apps.get(endpoint)) is None:
            why = f": {self.tap.failure}" if self.tap.failure is not None else ""
            await _answer(f"{self.name!r} can't be served any more{why}", 503, scope, receive, send)
        else:
            await app(scope, receive, send)


class _Switch:
    """Finds the tap that a request is for."""

    def __init__(self, hosts: Mapping[str, _Host]) -> None:
        # The longest first: one name may begin with another and a slash.
        self._hosts = sorted(hosts.values(), key=lambda host: len(host.name), reverse=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        for host in self._hosts:
            prefix = f"/{host.name}"
            if path.startswith(f"{prefix}/"):
                await host({**scope, "root_path": prefix}, receive, send)
                return
        served = ", ".join(
            f"{path_of(host.name)}/mcp" for host in sorted(self._hosts, key=lambda host: host.name)
        )
        await _answer(f"no server is at {path}; there are {served}", 404, scope, receive, send)


async def _answer(text: str, status: int, scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(f"{text}\n", status)(scope, receive, send)


def _as_reported(error: BaseException) -> McptapError:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, McptapError) else UpstreamError(f"{type(error).__name__}: {error}")
