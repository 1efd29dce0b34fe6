"""Streamable HTTP as a link (specification 2025-11-25 and 2026-07-28, "Streamable HTTP").

Every frame is a POST of its own; what comes back on its stream is handed on with the request's id, so
that whoever owns the link knows which request caused it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Final, TypeAlias

import anyio
import httpx2
from anyio.abc import TaskGroup

from mcptap import codec
from mcptap.protocol import VERSION_HEADER
from mcptap.tap.link import OUTSIDE, Frame, Id, Link, Opener, Receiver
from mcptap.tap.link.client import explain_failure, explain_status, same_origin
from mcptap.tap.link.events import EventReader

_Sent: TypeAlias = tuple[Frame, Mapping[str, str]]
_INITIALIZED: Final = "notifications/initialized"
_SESSION: Final = "mcp-session-id"
_METHOD: Final = "mcp-method"
_LAST_EVENT: Final = "last-event-id"
_STREAM: Final = "text/event-stream"
_BASE_HEADERS: Final = {
    "accept": f"application/json, {_STREAM}",
    "content-type": "application/json",
}
_STREAM_HEADERS: Final = {"accept": _STREAM}
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
        self._opening: list[_Sent] = []
        self._renewing = anyio.Lock()
        self._listener = anyio.CancelScope()
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
            self._opening = [(frame, headers or {})]
        elif method == _INITIALIZED and self._opening:
            self._opening.append((frame, headers or {}))
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
        if frame.get("method") == _INITIALIZED:
            self._tasks.start_soon(self._listen)

    async def _post(
        self, frame: Frame, request_id: Id | None, headers: Mapping[str, str], *, renewed: bool = False
    ) -> None:
        if VERSION_HEADER in headers and _METHOD not in headers:
            self._session_headers[VERSION_HEADER] = headers[VERSION_HEADER]
        sent = {**_BASE_HEADERS, **self._session_headers, **headers}
        body = codec.dumps(frame)
        async with self._client.stream("POST", self._url, content=body, headers=sent) as response:
            if self._moved(response):
                await response.aclose()
                await self._post(frame, request_id, headers, renewed=renewed)
                return
            gone = sent.get(_SESSION)
            if gone is not None and not renewed and await _is_gone(response, frame):
                if await self._renew(gone):
                    await self._post(frame, request_id, headers, renewed=True)
                elif request_id is not None:
                    reason = f"{self._url} no longer knows the session, and begins no new one"
                    self._receiver.failed(request_id, reason, was_heard=True)
                return
            if request_id is None:
                return
            if frame["method"] == "initialize" and (session := response.headers.get(_SESSION)):
                self._session_headers[_SESSION] = session
            kind = _kind_of(response)
            if kind == "application/json" and await self._json(response, request_id):
                return
            if kind == _STREAM and response.is_success:
                await self._stream(response, request_id)
                return
            self._receiver.failed(request_id, explain_status(self._url, response), was_heard=True)

    async def _renew(self, gone: str) -> bool:
        """Begin a session in the place of one that the server has forgotten ("Session Management").

        What the client had in the old one, such as its subscriptions, is lost.
        """
        async with self._renewing:
            if self._session_headers.get(_SESSION) != gone:
                return True
            (opening, headers), *initialized = self._opening
            post = partial(self._client.stream, "POST", self._url)
            sent = {**_BASE_HEADERS, **headers}
            async with post(content=codec.dumps(opening), headers=sent) as response:
                result = (await _answer_in(response, opening["id"])).get("result")
                session = response.headers.get(_SESSION)
            begun = {**self._session_headers, _SESSION: session or ""}
            version = result.get("protocolVersion") if isinstance(result, dict) else None
            if not session or version is None or begun.get(VERSION_HEADER, version) != version:
                return False
            for frame, headers in initialized:
                sent = {**_BASE_HEADERS, **begun, **headers}
                async with post(content=codec.dumps(frame), headers=sent) as response:
                    await response.aread()
            self._session_headers = begun
        self._receiver.warned(f"{self._url} has forgotten the session: a new one was begun in its place")
        self._listener.cancel()
        self._listener = anyio.CancelScope()
        self._tasks.start_soon(self._listen)
        return True

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
        with self._listener:
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


async def _is_gone(response: httpx2.Response, frame: Frame) -> bool:
    """Whether an answer says that the server has forgotten the session in which it was sent a frame.

    A status that comes with an answer to the request itself is no more than that of the answer.
    """
    if response.status_code != HTTPStatus.NOT_FOUND or frame.get("method") in {None, _INITIALIZED}:
        return False
    return "id" not in frame or not await _answer_in(response, frame["id"])


async def _answer_in(response: httpx2.Response, request_id: Id) -> Frame:
    """The answer to a request in a body or a stream; nothing, where there is none."""
    async for text in _texts_in(response):
        with contextlib.suppress(ValueError):
            frame = codec.loads(text)
            if isinstance(frame, dict) and "method" not in frame and frame.get("id") == request_id:
                return frame
    return {}


async def _texts_in(response: httpx2.Response) -> AsyncIterator[bytes]:
    """A body, or what is in the events of a stream."""
    if _kind_of(response) != _STREAM:
        yield await response.aread()
        return
    reader = EventReader()
    async for chunk in response.aiter_bytes():
        for event in reader.feed(chunk):
            yield event.data


def _kind_of(response: httpx2.Response) -> str:
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


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
