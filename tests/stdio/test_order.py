"""What the client sends reaches the server in the order in which it was sent."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import anyio
import pytest

from mcptap.exchange import BackendSession, Session
from mcptap.tap.channel import NoChannel
from mcptap.tap.downstream import Downstream
from tests.clients.base import compose
from tests.clients.raw import Client, Era, Message, handshake, spell
from tests.stdio.conversation import envelope
from tests.stdio.support import PATIENCE, WIRE, recording, run

COUNT = 200


def mixed_lines(era: Era, client: Client) -> list[str]:
    """Requests of several kinds and notifications, numbered in the order of sending."""
    draw = random.Random(7)
    lines = []
    for number in range(COUNT):
        params = f'{{"number":{number}}}'
        call = f'{{"name":"echo","arguments":{params}}}'
        match draw.choice(["request", "call", "notification"]):
            case "request":
                lines.append(compose("example/custom", envelope(client, params), identity=f"r{number}"))
            case "call":
                lines.append(compose("tools/call", envelope(client, call), identity=1000 + number))
            case _:
                lines.append(compose("notifications/example", params))
    return lines


def numbers(log: Path) -> list[int]:
    """The numbers of the lines that reached the server."""
    found = []
    for text in log.read_text().splitlines():
        params = Message(text).params or {}
        number = params.get("number", params.get("arguments", {}).get("number"))
        if number is not None:
            found.append(int(number))
    return found


@pytest.mark.parametrize("opened", [True, False], ids=["after opening", "from the first byte"])
@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_pipelined_messages_arrive_in_order(era: Era, opened: bool, tmp_path: Path) -> None:
    async def work() -> None:
        log = tmp_path / "log"
        async with recording(tmp_path / "rec.jsonl", *WIRE, "--log", log, era=era) as tap:
            if opened:
                await handshake(tap)
            lines = mixed_lines(era, tap)
            await tap.send_line("\n".join(lines))
            await tap.request("ping", id="last")
            wanted = {spell(Message(line).id) for line in lines if "id" in Message(line).body}
            async with tap._within(PATIENCE, "all answers"):
                while not wanted <= {spell(message.id) for message in tap.arrivals}:
                    await tap._changed.wait()
        assert numbers(log) == list(range(COUNT))

    run(work())


class SlowToOpen:
    """A backend whose sessions open when they are told to."""

    def __init__(self) -> None:
        self.may_open = anyio.Event()

    @asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[BackendSession]:
        await self.may_open.wait()
        yield cast("BackendSession", object())  # it gets no request


def test_no_message_overtakes_those_that_waited_for_the_server_to_start() -> None:
    async def work() -> None:
        order: list[int] = []
        backend = SlowToOpen()
        async with anyio.create_task_group() as tasks:
            downstream = Downstream(backend, tasks, "stdio", NoChannel())
            session = downstream.new_session("handshake", None)

            async def pass_on(number: int) -> None:
                await downstream.backend_session(session)
                order.append(number)

            for number in range(COUNT):
                tasks.start_soon(pass_on, number)
            backend.may_open.set()
            while not order:
                await anyio.lowlevel.checkpoint()
            tasks.start_soon(pass_on, COUNT)
            while len(order) <= COUNT:
                await anyio.lowlevel.checkpoint()
            await downstream.close()
        assert order == list(range(COUNT + 1))

    run(work())
