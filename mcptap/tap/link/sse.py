"""The legacy HTTP+SSE transport as a link (specification 2024-11-05, "HTTP with SSE")."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

import anyio
import httpx2
from anyio.abc import TaskGroup, TaskStatus

from mcptap import codec
from mcptap.errors import UpstreamError
from mcptap.tap.link import Frame, Link, Opener, Receiver
from mcptap.tap.link.client import explain_failure, explain_status, same_origin
from mcptap.tap.link.events import EventReader

_OPENING: Final = 30.0


def sse_opener(client: httpx2.AsyncClient, url: str) -> Opener:
    """An opener of links to the event stream ``url``; they share ``client``."""

    @contextlib.asynccontextmanager
    async def open_sse(receiver: Receiver) -> AsyncIterator[Link]:
        async with anyio.create_task_group() as tasks:
            link = _SseLink(client, url, receiver, tasks)
            with anyio.move_on_after(_OPENING):
                await tasks.start(link.listen)
            if link.failure is not None or not link.endpoint:
                tasks.cancel_scope.cancel()
            else:
                try:
                    yield link
                finally:
                    tasks.cancel_scope.cancel()
        if link.failure is not None or not link.endpoint:
            raise UpstreamError(link.failure or f"{url} named no endpoint for messages within {_OPENING:g} s")

    return open_sse


class _SseLink:
    def __init__(self, client: httpx2.AsyncClient, url: str, receiver: Receiver, tasks: TaskGroup) -> None:
        self._client = client
        self._url = url
        self._receiver = receiver
        self._tasks = tasks
        self._before: anyio.Event | None = None
        self.endpoint = ""
        self.failure: str | None = None

    def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        del headers
        before, self._before = self._before, anyio.Event()
        self._tasks.start_soon(self._post, frame, before, self._before)

    async def drain(self) -> None:
        """Every POST has a task of its own."""

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Read the stream; started once the server has named the endpoint, or failed to."""
        try:
            headers = {"accept": "text/event-stream", "cache-control": "no-store"}
            async with self._client.stream("GET", self._url, headers=headers) as response:
                kind = response.headers.get("content-type", "").partition(";")[0]
                if not response.is_success or kind != "text/event-stream":
                    self.failure = explain_status(self._url, response)
                else:
                    await self._events(response, task_status)
        except httpx2.HTTPError as error:
            self.failure = explain_failure(self._url, error)
        if not self.endpoint:
            task_status.started()
        else:
            self._receiver.closed(self.failure or f"the event stream from {self._url} ended")

    async def _events(self, response: httpx2.Response, task_status: TaskStatus[None]) -> None:
        reader = EventReader()
        async for chunk in response.aiter_bytes():
            for event in reader.feed(chunk):
                if event.name == "endpoint":
                    endpoint = str(response.url.join(event.data.decode(errors="replace")))
                    # A server must not send our messages, and the credentials on them, elsewhere.
                    if not same_origin(self._url, endpoint):
                        self.failure = f"{self._url} names an endpoint on another origin: {endpoint}"
                        return
                    if not self.endpoint:
                        self.endpoint = endpoint
                        task_status.started()
                elif event.name == "message" and event.data:
                    try:
                        frame = codec.loads(event.data)
                    except ValueError:
                        self._receiver.warned(f"{self._url} sent an event that is not JSON, ignored")
                        continue
                    if isinstance(frame, dict):
                        self._receiver.received(frame)

    async def _post(self, frame: Frame, before: anyio.Event | None, done: anyio.Event) -> None:
        """Post one frame, after the one before it was taken: the answer comes on the stream."""
        try:
            if before is not None:
                await before.wait()
            content, headers = codec.dumps(frame), {"content-type": "application/json"}
            response = await self._client.post(self.endpoint, content=content, headers=headers)
            if not response.is_success and "method" in frame and "id" in frame:
                self._receiver.failed(frame["id"], explain_status(self.endpoint, response))
        except httpx2.HTTPError as error:
            if "method" in frame and "id" in frame:
                self._receiver.failed(frame["id"], explain_failure(self.endpoint, error))
        finally:
            done.set()
