"""A raw client over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.clients.base import Client, Params, compose
from tests.clients.exact import Message, spell

LARGEST = 1 << 26


class SocketClient(Client):
    """Speaks with the WebSocket at ``url``.

    Attributes:
        subprotocol: What the server agreed to.
        closed: The close frame's code and reason, once the server has sent one; 1006 where it sent none.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: tuple[str, ...] = ("mcp",),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.url = url
        self.subprotocol: str | None = None
        self.closed: tuple[int, str] | None = None
        self._headers = dict(headers or {})
        self._offered = [Subprotocol(each) for each in subprotocols] or None
        self._answers: dict[str, asyncio.Future[Message]] = {}

    async def start(self) -> None:
        self._socket = await connect(
            self.url,
            subprotocols=self._offered,
            additional_headers=self._headers,
            max_size=LARGEST,
            open_timeout=self.timeout,
            proxy=None,  # the environment's proxies are for the outside
        )
        self.subprotocol = self._socket.subprotocol
        self._reading = self._spawn(self._read())

    async def close(self) -> None:
        await self._socket.close()
        await self._end_tasks()

    async def request(
        self,
        method: str,
        params: Params = None,
        *,
        id: int | str | None = None,  # noqa: A002 - the protocol's word
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the point is that every call has one
    ) -> Message:
        identity = self.next_id() if id is None else id
        answer = self._answers[spell(identity)] = asyncio.get_running_loop().create_future()
        async with self._within(self.timeout if timeout is None else timeout, f"{method} ({identity!r})"):
            await self.send(compose(method, self._spell(params, envelope=True), identity=identity))
            message: Message = await answer
            return message

    async def notify(self, method: str, params: Params = None) -> None:
        await self.send(compose(method, self._spell(params, envelope=False)))

    async def respond(self, request: Message, reply: Mapping[str, Any]) -> None:
        await self.send(spell({"jsonrpc": "2.0", "id": request.id, **reply}))

    async def send(self, frame: str | bytes) -> None:
        """Send one frame as it stands: a text frame, or a binary one."""
        await self._socket.send(frame)

    async def ended(self) -> tuple[int, str]:
        """Wait until the server has closed the connection; give the code and the reason."""
        async with self._within(self.timeout, "the end of the connection"):
            await self._reading
        assert self.closed
        return self.closed

    async def _read(self) -> None:
        try:
            while True:
                text = await self._socket.recv()
                assert isinstance(text, str)
                message = Message(text)
                answer = self._answers.pop(spell(message.id), None) if message.method is None else None
                if answer is not None and not answer.done():
                    answer.set_result(message)
                self._receive(message)
        except ConnectionClosed as closed:
            self.closed = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError(f"the WebSocket was closed: {self.closed}"))
