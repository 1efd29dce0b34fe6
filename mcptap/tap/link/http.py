"""Streamable HTTP as a link (specification 2025-11-25 and 2026-07-28, "Streamable HTTP").

Every frame is a POST of its own; what comes back on its stream is handed on with the request's id, so
that whoever owns the link knows which request caused it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

import anyio
import httpx2
from anyio.abc import TaskGroup

from mcptap import codec
from mcptap.protocol import VERSION_HEADER
from mcptap.tap.link import OUTSIDE, Frame, Id, Link, Opener, Receiver
from mcptap.tap.link.client import explain_failure, explain_status, same_origin
from mcptap.tap.link.events import EventReader

_SESSION: Final = "mcp-session-id"
_METHOD: Final = "mcp-method"
_LAST_EVENT: Final = "last-event-id"
_BASE_HEADERS: Final = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
}
_STREAM_HEADERS: Final = {"accept": "text/event-stream"}
_RETRY: Final = 1.0
_RECONNECTS: Final = 3
_GOODBYE: Final = 0.5


def http_opener(client: httpx2.AsyncClient, url: str) -> Opener:
    """An opener of links to the Streamable HTTP endpoint ``url``; they share ``client``."""

    @contextlib.asynccontextmanager
    async def open_http(receiver: Receiver) -> AsyncIterator[Link]:
        async with anyio.create_task_group() as tasks:
            link = _HttpLink(client, url, receiver, tasks)
            try:
                yield link
            finally:
                tasks.cancel_scope.cancel()
                with anyio.move_on_after(_GOODBYE, shield=True):
                    await link.end_session()

    return open_http


class _HttpLink:
    def __init__(self, client: httpx2.AsyncClient, url: str, receiver: Receiver, tasks: TaskGroup) -> None:
        self._client = client
        self._url = url
        self._receiver = receiver
        self._tasks = tasks
        self._session_headers: dict[str, str] = {}
        self._posts: dict[Id, tuple[anyio.CancelScope, bool]] = {}
        self._before: anyio.Event | None = None
        self._taken_back: set[Id] = set()

    @property
    def session_id(self) -> str | None:
        """The server's own id of the session, where it has given one."""
        return self._session_headers.get(_SESSION)

    def send(self, frame: Frame, headers: Mapping[str, str] | None = None) -> None:
        method = frame.get("method")
        if method == "notifications/cancelled" and self._cancel(frame["params"].get("requestId")):
            return
        if method == "initialize":
            self._session_headers.clear()
        before = self._before
        request_id = frame.get("id") if method else None
        done = None
        if request_id is None:
            done = self._before = anyio.Event()
        else:
            self._posts[request_id] = anyio.CancelScope(), _METHOD in (headers or {})
        self._tasks.start_soon(self._send, frame, request_id, headers or {}, before, done)

    async def drain(self) -> None:
        """Every POST has a task of its own."""

    async def end_session(self) -> None:
        """Tell the server that the session is over, where it gave us one."""
        if _SESSION in self._session_headers:
            with contextlib.suppress(httpx2.HTTPError):
                await self._client.delete(self._url, headers=self._session_headers)

    def _cancel(self, request_id: Id) -> bool:
        """Close the stream of a cancelled request; whether that says it all (in the modern era)."""
        scope, modern = self._posts.get(request_id, (None, False))
        if scope is not None and modern:
            scope.cancel()
        elif scope is not None:
            self._taken_back.add(request_id)
        return modern

    async def _send(
        self,
        frame: Frame,
        request_id: Id | None,
        headers: Mapping[str, str],
        before: anyio.Event | None,
        done: anyio.Event | None,
    ) -> None:
        """Send one frame, after the notifications that were sent before it."""
        try:
            if before is not None:
                await before.wait()
            if request_id is None:
                await self._post(frame, None, headers)
            else:
                with self._posts[request_id][0]:
                    await self._post(frame, request_id, headers)
        except httpx2.HTTPError as error:
            if request_id is not None:
                self._receiver.failed(request_id, explain_failure(self._url, error))
        finally:
            if done is not None:
                done.set()
                if self._before is done:
                    self._before = None
            if request_id is not None:
                self._posts.pop(request_id, None)
                self._taken_back.discard(request_id)
        if frame.get("method") == "notifications/initialized":
            self._tasks.start_soon(self._listen)

    async def _post(self, frame: Frame, request_id: Id | None, headers: Mapping[str, str]) -> None:
        if VERSION_HEADER in headers and _METHOD not in headers:
            self._session_headers[VERSION_HEADER] = headers[VERSION_HEADER]
        sent = {**_BASE_HEADERS, **self._session_headers, **headers}
        body = codec.dumps(frame)
        async with self._client.stream("POST", self._url, content=body, headers=sent) as response:
            if self._moved(response):
                await response.aclose()
                await self._post(frame, request_id, headers)
                return
            if request_id is None:
                return
            if frame["method"] == "initialize" and (session := response.headers.get(_SESSION)):
                self._session_headers[_SESSION] = session
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == "application/json" and await self._json(response, request_id):
                return
            if kind == "text/event-stream" and response.is_success:
                await self._stream(response, request_id)
                return
            self._receiver.failed(request_id, explain_status(self._url, response), was_heard=True)

    def _moved(self, response: httpx2.Response) -> bool:
        """Follow a redirect that keeps the method and the origin, such as one to a trailing slash."""
        if response.status_code not in {307, 308}:
            return False
        target = str(response.url.join(response.headers.get("location", "")))
        if not same_origin(self._url, target) or target == self._url:
            return False
        self._url = target
        return True

    async def _json(self, response: httpx2.Response, request_id: Id) -> bool:
        """Take a JSON body, of an error status too; whether it was a JSON-RPC answer."""
        try:
            frame = codec.loads(await response.aread())
        except ValueError:
            return False
        # Much else answers with a JSON object that has an error in it.
        if not isinstance(frame, dict) or "jsonrpc" not in frame or not frame.keys() & {"error", "result"}:
            return False
        # An error from before the server read the id has none.
        self._receiver.received({**frame, "id": request_id}, request_id)
        return True

    async def _stream(self, response: httpx2.Response, request_id: Id) -> None:
        """Read a request's stream to its answer, resuming it where the server makes that possible.

        Of a request that was taken back nobody waits for the answer any more.
        """
        position = _Position()
        if await self._events(response, position, request_id):
            return
        position.moved()
        attempts = 0
        failure = ended = f"the stream from {self._url} ended without an answer"
        while position.last_event is not None and attempts < _RECONNECTS:
            await anyio.sleep(position.retry)
            headers = {**self._session_headers, **_STREAM_HEADERS, _LAST_EVENT: position.last_event}
            failure = ended
            try:
                async with self._client.stream("GET", self._url, headers=headers) as resumed:
                    if not resumed.is_success:
                        # The endpoint took the POST: no advice on its path or on credentials would help.
                        status = f"{resumed.status_code} {resumed.reason_phrase}".rstrip()
                        failure = f"{ended}, and can't be resumed: {self._url} answered {status}"
                        break
                    if await self._events(resumed, position, request_id):
                        return
            except httpx2.HTTPError as error:
                failure = f"{ended}, and can't be resumed: {explain_failure(self._url, error)}"
            attempts = 0 if position.moved() else attempts + 1
            if request_id in self._taken_back:
                break
        self._receiver.failed(request_id, failure)

    async def _listen(self) -> None:
        """Hold the stream for what the server says outside any request, as long as it offers one."""
        position = _Position()
        attempts = 0
        while attempts <= _RECONNECTS:
            headers = {**self._session_headers, **_STREAM_HEADERS}
            if position.last_event is not None:
                headers[_LAST_EVENT] = position.last_event
            with contextlib.suppress(httpx2.HTTPError):
                async with self._client.stream("GET", self._url, headers=headers) as response:
                    if not response.is_success:
                        return
                    attempts = 0
                    await self._events(response, position, None)
            attempts += 1
            await anyio.sleep(position.retry)

    async def _events(self, response: httpx2.Response, position: _Position, request_id: Id | None) -> bool:
        """Hand on a stream's frames; whether the answer to ``request_id`` was among them."""
        origin = OUTSIDE if request_id is None else request_id
        reader = EventReader()
        with contextlib.suppress(httpx2.HTTPError):
            async for chunk in response.aiter_bytes():
                for event in reader.feed(chunk):
                    position.note(event.id, event.retry)
                    if event.name != "message" or not event.data:
                        continue
                    try:
                        frame = codec.loads(event.data)
                    except ValueError:
                        self._receiver.warned(f"{self._url} sent an event that is not JSON, ignored")
                        continue
                    if not isinstance(frame, dict):
                        continue
                    self._receiver.received(frame, origin)
                    if request_id is not None and "method" not in frame and frame.get("id") == request_id:
                        return True
            if request_id is not None and position.last_event is not None:
                self._receiver.paused(request_id)
        return False


class _Position:
    """How far a stream has been read."""

    def __init__(self) -> None:
        self.last_event: str | None = None
        self.retry = _RETRY
        self._seen: str | None = None

    def note(self, event_id: str | None, retry_ms: int | None) -> None:
        if event_id:
            self.last_event = event_id
        if retry_ms is not None:
            self.retry = retry_ms / 1000

    def moved(self) -> bool:
        """Whether there were events since the last call."""
        moved, self._seen = self.last_event != self._seen, self.last_event
        return moved
