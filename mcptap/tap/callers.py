"""Which processes of this machine the requests of a client over HTTP come from: a dead one asks no more.

HTTP has no word for a client that is killed, and the modern era has none for one that leaves. A client on
another machine shows no process, nor does one of another user or in a container of its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

if TYPE_CHECKING:
    from psutil import Process

_MOST_SOCKETS: Final = 64
_AGAIN: Final = 10.0
"""Seconds until a client whose process is known is looked at again, in case that it is several."""

Socket: TypeAlias = tuple[tuple[str, int], tuple[str, int]]
"""The addresses of a connection's two ends, the client's first."""


class Census:
    """Finds the processes at the other ends of connections, with one look at the machine for many of them.

    Args:
        tasks: Owns the search.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._wanted: dict[Socket, list[Callers]] = {}
        self._looking = False

    def find(self, socket: Socket, callers: Callers) -> None:
        """Have ``callers`` told which process it is, if that can be seen."""
        self._wanted.setdefault(socket, []).append(callers)
        if not self._looking:
            self._looking = True
            self._tasks.start_soon(self._look)

    async def _look(self) -> None:
        await anyio.to_thread.run_sync(import_module, "psutil")  # which takes longer than a look
        while self._wanted:
            began = anyio.current_time()
            found = await anyio.to_thread.run_sync(processes_at, set(self._wanted))
            for socket, process in found.items():
                for callers in self._wanted[socket]:
                    callers.learn(process)
            for socket in found:
                del self._wanted[socket]
            await anyio.sleep(anyio.current_time() - began)  # half of one core is enough
        self._looking = False


class Callers:
    """The processes that one client is, as far as they can be told.

    A process that has ended by the time of the next request was a command in somebody's hands, and there
    may be another one. So a client is only known by its processes when one has outlived a request.

    Args:
        census: Finds them; ``None`` where nobody wants to know.
    """

    def __init__(self, census: Census | None) -> None:
        self._census = census
        self._sockets: dict[Socket, None] = {}
        self._processes: set[Process] = set()
        self._lasting = False
        self._afar = False
        self._looked = -_AGAIN

    def note(self, scope: Mapping[str, Any]) -> None:
        """Learn of an HTTP request.

        Args:
            scope: What the ASGI specification calls so.
        """
        if self._census is None:
            return
        client, server = scope.get("client"), scope.get("server")
        if not client or not server or client[0] != server[0]:
            self._afar = True
            return
        if not self._lasting:
            self._lasting = any(map(_is_alive, self._processes))
        socket = tuple(client), tuple(server)
        now = time.monotonic()
        if socket not in self._sockets and (not self._lasting or now - self._looked >= _AGAIN):
            self._looked = now
            self._sockets[socket] = None
            self._census.find(socket, self)
            if len(self._sockets) > _MOST_SOCKETS:
                del self._sockets[next(iter(self._sockets))]

    def learn(self, process: Process | None) -> None:
        """Learn which process is at the client's end of one connection; ``None`` if it can't be seen."""
        if process is not None:
            self._processes = {process, *filter(_is_alive, self._processes)}

    def have_ended(self) -> bool:
        """Whether nobody of them is left who could make another request."""
        return self._lasting and not self._afar and not any(map(_is_alive, self._processes))


def processes_at(sockets: set[Socket]) -> dict[Socket, Process | None]:
    """The processes at the client's ends of connections; ``None`` for those that can't be seen."""
    import psutil  # noqa: PLC0415 - only fronts over HTTP before a server on a pipe need it

    found: dict[Socket, Process | None] = dict.fromkeys(sockets)
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:  # the whole list is not for everybody to see on every system
        return found
    for each in connections:
        socket = tuple(each.laddr), tuple(each.raddr)
        if socket in found and each.pid:
            try:
                found[socket] = psutil.Process(each.pid)
            except psutil.Error:
                continue
    return found


def _is_alive(process: Process) -> bool:
    import psutil  # noqa: PLC0415 - it was needed to find the process

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
