"""A raw client over legacy HTTP+SSE."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import httpx2

from tests.clients.base import Client, Params, compose
from tests.clients.exact import Message, spell
from tests.clients.streamable import read_events


class LegacyClient(Client):
    """Holds the event stream at ``url`` and posts to the endpoint that it names.

    Attributes:
        status: Of the event stream.
        endpoint: Where to post; empty where the server named none.
        ended: Set when the event stream has ended.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.url = url
        self.status = 0
        self.endpoint = ""
        self._headers = dict(headers or {})
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self.ended = asyncio.Event()
        self._ready = asyncio.Event()

    async def start(self) -> None:
        self._http = httpx2.AsyncClient(timeout=None, trust_env=False, headers=self._headers)
        self._spawn(self._read())
        async with self._within(self.timeout, "the endpoint"):
            await self._ready.wait()

    async def close(self) -> None:
        await self._end_tasks()
        await self._http.aclose()

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
            await self._post(compose(method, self._spell(params, envelope=True), identity=identity))
            message: Message = await answer
            return message

    async def notify(self, method: str, params: Params = None) -> None:
        await self._post(compose(method, self._spell(params, envelope=False)))

    async def respond(self, request: Message, reply: Mapping[str, Any]) -> None:
        await self._post(spell({"jsonrpc": "2.0", "id": request.id, **reply}))

    async def _post(self, text: str) -> None:
        kind = {"content-type": "application/json"}
        (await self._http.post(self.endpoint, content=text.encode(), headers=kind)).raise_for_status()

    async def _read(self) -> None:
        with contextlib.suppress(httpx2.TransportError):
            await self._read_stream()
        self._ready.set()
        self.ended.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the event stream ended"))

    async def _read_stream(self) -> None:
        async with self._http.stream("GET", self.url, headers={"accept": "text/event-stream"}) as response:
            self.status = response.status_code
            if response.status_code != 200:
                return
            async for event in read_events(response.aiter_bytes()):
                if event.name == "endpoint":
                    self.endpoint = str(response.url.join(event.data))
                    self._ready.set()
                    continue
                message = Message(event.data)
                answer = self._answers.pop(spell(message.id), None) if message.method is None else None
                if answer is not None and not answer.done():
                    answer.set_result(message)
                self._receive(message)
