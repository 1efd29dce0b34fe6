from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mcptap.exchange import Session
from mcptap.model import Json
from mcptap.recorder import Recorder
from mcptap.tap.recording import hear


class Lines(list[Mapping[str, Any]]):
    """A sink."""

    def append(self, line: Mapping[str, Any]) -> int:  # type: ignore[override]
        super().append(line)
        return 1


class Client:
    """A client that only listens."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def notify(self, method: str, params: Json | None) -> None:
        self.heard.append(method)

    async def ask(self, method: str, params: Json | None) -> Json:
        return {}


@pytest.mark.anyio
async def test_two_recorders_of_one_session_each_hear_every_message_once() -> None:
    client, sinks = Client(), [Lines(), Lines()]
    session = Session("handshake", "http", None, client)
    recorders = [Recorder(sink) for sink in sinks]
    for recorder in recorders * 3:
        hear(recorder, session)
    await session.channel.notify("notifications/tools/list_changed", None)
    assert client.heard == ["notifications/tools/list_changed"]
    for sink in sinks:
        assert [line["kind"] for line in sink] == ["session", "message"]
