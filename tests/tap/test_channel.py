"""The way to an HTTP client outside any request: whoever speaks doesn't wait, and the order stays."""

from __future__ import annotations

from typing import Any, cast

import anyio
import pytest

from mcptap.tap.channel import StandaloneChannel

pytestmark = pytest.mark.anyio


class Client:
    """A client over HTTP that opens its stream when it is told to."""

    def __init__(self) -> None:
        self.opened = anyio.Event()
        self.heard: list[str] = []

    async def listens(self) -> bool:
        await self.opened.wait()
        return True

    async def notify(self, method: str, params: Any) -> None:
        self.heard.append(method)

    def channel(self) -> StandaloneChannel:
        return StandaloneChannel(cast("Any", self), cast("Any", self))


async def test_the_client_hears_in_order_what_was_said_before_it_listened() -> None:
    client = Client()
    channel = client.channel()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(channel.run)
        for number in range(3):
            await channel.notify(f"notifications/{number}", None)  # would wait for ever, if it waited
        assert client.heard == []
        client.opened.set()
        channel.close()
    assert client.heard == ["notifications/0", "notifications/1", "notifications/2"]


async def test_what_is_said_after_the_end_goes_nowhere() -> None:
    client = Client()
    client.opened.set()
    closed, cancelled = client.channel(), client.channel()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(closed.run)
        tasks.start_soon(cancelled.run)
        await anyio.lowlevel.checkpoint()
        closed.close()
        tasks.cancel_scope.cancel()
    await closed.notify("notifications/late", None)
    await cancelled.notify("notifications/late", None)
    cancelled.close()
    assert client.heard == []
