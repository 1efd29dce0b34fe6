"""A raw client over Streamable HTTP, which parses event streams by hand."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx2

from tests.clients.base import HANDSHAKE_VERSION, MODERN_VERSION, Client, Params, compose
from tests.clients.exact import Message, parse, spell

_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")
_NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    data: str
    name: str = "message"
    id: str | None = None
    retry: str | None = None


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Parse an event stream; only ``\\n``, ``\\r\\n`` and ``\\r`` end a line."""
    buffer = b""
    fields: dict[str, list[str]] = {}
    async for chunk in chunks:
        searched = max(len(buffer) - 1, 0)  # a large event comes in many chunks
        buffer += chunk
        while end := _LINE_END.search(buffer, searched):
            line, buffer, searched = buffer[: end.start()].decode(), buffer[end.end() :], 0
            if line and not line.startswith(":"):
                name, _, value = line.partition(":")
                fields.setdefault(name, []).append(value.removeprefix(" "))
            elif not line and fields:
                yield Event(
                    "\n".join(fields.get("data", [])),
                    fields.get("event", ["message"])[-1],
                    fields.get("id", [None])[-1],
                    fields.get("retry", [None])[-1],
                )
                fields = {}


def header_value(value: str) -> str:
    """A header's value as the protocol spells it: base64 where it isn't plain printable ASCII."""
    if re.fullmatch(r"[\x20-\x7e]*", value) and value == value.strip() and not value.startswith("=?base64?"):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


class HttpClient(Client):
    """Speaks JSON-RPC with ``url`` in either era.

    Args:
        url: The endpoint.
        headers: Sent with every request.
        keeps_cookies: Whether it brings cookies back, as Node's ``fetch`` doesn't.
        options: See :class:`Client`.

    Attributes:
        session_id: From ``initialize``, sent with every request after it.
        events: Every event of every stream, in order.
        posted: What notifications and responses were answered with (202 where all is well).
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        keeps_cookies: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.url = url
        self._keeps_cookies = keeps_cookies
        self.session_id: str | None = None
        self.events: list[Event] = []
        self.posted: list[Message] = []
        self._version: str | None = None
        self._headers = dict(headers or {})

    async def start(self) -> None:
        # The environment's proxies are for the outside; redirects are for the test to see.
        self._http = httpx2.AsyncClient(timeout=None, trust_env=False, follow_redirects=False)
        if not self._keeps_cookies:
            self._http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))

    async def close(self) -> None:
        """End the streams and the session."""
        await self._end_tasks()
        if self.session_id is not None:
            async with self._within(self.timeout, "DELETE of the session"):
                with contextlib.suppress(httpx2.TransportError):  # the server may be gone already
                    await self._http.delete(self.url, headers=self._standing_headers())
        await self._http.aclose()

    async def request(
        self,
        method: str,
        params: Params = None,
        *,
        id: int | str | None = None,  # noqa: A002
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Message:
        identity = self.next_id() if id is None else id
        text = self._spell(params, envelope=True)
        seconds = self.timeout if timeout is None else timeout
        async with self._within(seconds, f"{method} (id {identity!r})"):
            answer = await self.post(
                compose(method, text, identity=identity),
                headers={**self._routing_headers(method, text), **(headers or {})},
                wanted=spell(identity),
            )
        if method == "initialize" and "result" in answer.body:
            self.session_id = answer.headers.get("mcp-session-id")
            self._version = answer.result.get("protocolVersion", HANDSHAKE_VERSION)
        return answer

    async def notify(self, method: str, params: Params = None) -> None:
        text = self._spell(params, envelope=False)
        async with self._within(self.timeout, method):
            headers = self._routing_headers(method, text)
            self.posted.append(await self.post(compose(method, text), headers=headers))

    async def respond(self, request: Message, reply: Mapping[str, Any]) -> None:
        async with self._within(self.timeout, "response"):
            self.posted.append(await self.post(spell({"jsonrpc": "2.0", "id": request.id, **reply})))

    async def post(
        self, text: str, *, headers: Mapping[str, str] | None = None, wanted: str | None = None
    ) -> Message:
        """Post a body as it stands; give the answer to the id ``wanted``, or the whole response.

        Cancelling this closes the stream, which is how the modern era cancels a request.
        """
        accept = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        sent = {**accept, **self._standing_headers(), **(headers or {})}
        async with self._http.stream("POST", self.url, content=text.encode(), headers=sent) as response:
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                async for message in self._messages(response):
                    if message.method is None and spell(message.id) == wanted:
                        return message
                raise ConnectionError(f"the stream ended without an answer to {wanted}")
            body = (await response.aread()).decode()
            message = Message(body, response.status_code, dict(response.headers))
            if message.body:
                self._receive(message)
            return message

    async def listen(self, last_event_id: str | None = None) -> int:
        """Open the GET stream, read it in the background, and give its status."""
        more = {} if last_event_id is None else {"last-event-id": last_event_id}
        headers = {"accept": "text/event-stream", **self._standing_headers(), **more}
        async with self._within(self.timeout, "GET stream"):
            request = self._http.build_request("GET", self.url, headers=headers)
            response = await self._http.send(request, stream=True)
        if response.status_code == 200:
            self._spawn(self._read_stream(response))
            await asyncio.sleep(0)  # a task that is cancelled before it has begun closes nothing
        else:
            await response.aclose()
        return response.status_code

    async def drop_streams(self) -> None:
        """Leave the streams that `listen` has opened."""
        await self._end_tasks()

    async def _read_stream(self, response: httpx2.Response) -> None:
        try:
            async for _ in self._messages(response):
                pass
        except httpx2.TransportError:
            pass  # the server went away; the test sees what arrived until then
        finally:
            await response.aclose()

    async def _messages(self, response: httpx2.Response) -> AsyncIterator[Message]:
        async for event in read_events(response.aiter_bytes()):
            self.events.append(event)
            if event.data:  # an event that primes the stream has none
                message = Message(event.data, response.status_code, dict(response.headers))
                self._receive(message)
                yield message

    def _standing_headers(self) -> dict[str, str]:
        version = MODERN_VERSION if self.era == "modern" else self._version
        headers = dict(self._headers)
        if version is not None:
            headers["mcp-protocol-version"] = version
        if self.session_id is not None:
            headers["mcp-session-id"] = self.session_id
        return headers

    def _routing_headers(self, method: str, params: str | None) -> dict[str, str]:
        if self.era == "handshake":
            return {}
        headers = {"mcp-method": method}
        name = parse(params or "{}").get(_NAMED_BY.get(method, ""))
        return headers | ({"mcp-name": header_value(name)} if isinstance(name, str) else {})
