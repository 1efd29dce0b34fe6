"""A receiver that keeps what a link over HTTP makes of each request."""

from __future__ import annotations

from typing import Any

import anyio

from mcptap.tap.link import Frame, Id

PATIENCE = 20
"""Seconds within which something must have become of a request."""


class Heard:
    """Keeps what becomes of each request, which may be one thing only.

    Attributes:
        became: The answer to each, or why there is none.
        unintelligible: The requests to which the server said something that is no JSON-RPC.
        said: What is worth a line to the user.
        pauses: How often a stream was closed in mid-request.
        a_pause: Set when one was.
    """

    def __init__(self) -> None:
        self.became: dict[Id, Frame | str] = {}
        self.unintelligible: set[Id] = set()
        self.said: list[str] = []
        self.pauses = 0
        self.a_pause = anyio.Event()
        self._changed = anyio.Event()

    def received(self, frame: Frame, origin: Id | None = None) -> None:
        assert frame["id"] == origin
        self._settle(frame["id"], frame)

    def failed(self, request_id: Id, reason: str, *, was_heard: bool = False) -> None:
        if was_heard:
            self.unintelligible.add(request_id)
        self._settle(request_id, reason)

    def paused(self, request_id: Id) -> None:
        del request_id
        self.pauses += 1
        self.a_pause.set()

    def warned(self, message: str) -> None:
        self.said.append(message)

    def closed(self, reason: str, reads_for: float = 0.0) -> None:
        raise AssertionError(reason, reads_for)

    async def of(self, request_id: Id) -> Any:
        """What has become of a request: its answer, or why there is none."""
        with anyio.fail_after(PATIENCE):
            while request_id not in self.became:
                await self._changed.wait()
        return self.became[request_id]

    def _settle(self, request_id: Id, outcome: Frame | str) -> None:
        assert request_id not in self.became, f"{request_id} is settled twice"
        self.became[request_id] = outcome
        self._changed.set()
        self._changed = anyio.Event()
