"""A client is gone when its processes are, and no client is thought gone that might come again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import anyio
import anyio.lowlevel
import psutil
import pytest

from mcptap.tap import callers as module
from mcptap.tap.callers import Callers, Census, Socket, processes_at

HERE: Final = "127.0.0.1"
CONNECT: Final = """
import socket, sys
held = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sys.stdin.read()
"""


def scope(port: int, *, client: str = HERE, server: str = HERE) -> dict[str, Any]:
    return {"client": (client, port), "server": (server, 80)}


def at(port: int) -> Socket:
    return (HERE, port), (HERE, 80)


class Seen(Census):
    """Finds nothing by itself: the test tells the callers."""

    def __init__(self) -> None:
        self.asked: list[Socket] = []

    def find(self, socket: Socket, callers: Callers) -> None:
        self.asked.append(socket)


@pytest.fixture
def process() -> Iterator[psutil.Popen]:
    with psutil.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process


def end(process: psutil.Popen) -> None:
    process.kill()
    process.wait()


def test_a_client_has_ended_when_its_process_is_dead(process: psutil.Popen) -> None:
    seen = Seen()
    callers = Callers(seen)
    callers.note(scope(1))
    callers.learn(psutil.Process(process.pid))
    callers.note(scope(1))
    assert not callers.have_ended()
    end(process)
    assert callers.have_ended()
    assert seen.asked == [at(1)]


def test_a_client_that_nobody_has_waited_for_is_dead_too(process: psutil.Popen) -> None:
    callers = Callers(Seen())
    for port in (1, 2):
        callers.note(scope(port))
        callers.learn(psutil.Process(process.pid))
    os.kill(process.pid, 9)
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert callers.have_ended()


def test_commands_of_a_single_request_each_are_not_missed(process: psutil.Popen) -> None:
    callers = Callers(Seen())
    callers.note(scope(1))
    callers.learn(psutil.Process(process.pid))
    end(process)
    assert not callers.have_ended()


def test_a_client_of_two_processes_lives_as_long_as_one_of_them(process: psutil.Popen) -> None:
    callers = Callers(Seen())
    for port, of in ((1, process.pid), (2, os.getpid())):
        callers.note(scope(port))
        callers.learn(psutil.Process(of))
    end(process)
    assert not callers.have_ended()


def test_a_process_whose_later_sockets_were_not_seen_is_still_the_client(process: psutil.Popen) -> None:
    callers = Callers(Seen())
    callers.note(scope(1))
    callers.learn(psutil.Process(process.pid))
    callers.note(scope(2))
    callers.learn(None)
    assert not callers.have_ended()
    end(process)
    assert callers.have_ended()


def test_who_was_seen_on_another_machine_may_still_be_there(process: psutil.Popen) -> None:
    callers = Callers(Seen())
    callers.note(scope(1))
    callers.learn(psutil.Process(process.pid))
    callers.note(scope(1))
    callers.note(scope(1, client="10.0.0.1"))
    end(process)
    assert not callers.have_ended()


def test_nobody_is_looked_for_where_nobody_wants_to_know() -> None:
    callers = Callers(None)
    callers.note(scope(1))
    assert not callers.have_ended()


def test_a_client_that_opens_a_socket_for_each_request_is_held_in_constant_memory() -> None:
    callers = Callers(Seen())
    here = psutil.Process()
    for port in range(1, 1_000):
        callers.note(scope(port))
        callers.learn(here)
    assert len(callers._sockets) <= module._MOST_SOCKETS
    assert callers._processes == {here}


@contextmanager
def connection() -> Iterator[tuple[psutil.Popen, Socket]]:
    """A process with a connection to here, and its two ends."""
    with socket.create_server((HERE, 0)) as server:
        argv = [sys.executable, "-c", CONNECT, str(server.getsockname()[1])]
        with psutil.Popen(argv, stdin=subprocess.PIPE) as process:
            accepted, client = server.accept()
            with accepted:
                yield process, (client, accepted.getsockname())
                process.stdin.close()


def test_the_process_at_the_other_end_of_a_connection_is_found() -> None:
    with connection() as (process, ends):
        nobody = (HERE, 1), (HERE, 2)
        found = processes_at({ends, nobody})
        assert found[nobody] is None
        assert found[ends] == psutil.Process(process.pid)


def test_a_system_that_shows_nothing_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    assert processes_at({at(1)}) == {at(1): None}


@pytest.mark.anyio
async def test_many_are_found_with_one_look_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[set[Socket]] = []
    here = psutil.Process()

    def look(sockets: set[Socket]) -> dict[Socket, psutil.Process | None]:
        looks.append(sockets)
        return dict.fromkeys(sockets, here)

    monkeypatch.setattr(module, "processes_at", look)
    async with anyio.create_task_group() as tasks:
        census = Census(tasks)
        clients = [Callers(census) for _ in range(4)]
        for port, client in enumerate(clients[:3]):
            client.note(scope(port))
        clients[1].note(scope(0))
        while not all(client._processes for client in clients[:3]):
            await anyio.lowlevel.checkpoint()
        clients[3].note(scope(3))
    assert looks == [{at(0), at(1), at(2)}, {at(3)}]
    assert [client._processes for client in clients] == [{here}] * 4
