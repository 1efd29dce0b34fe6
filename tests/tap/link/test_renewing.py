"""A link to a Streamable HTTP server that has forgotten the session goes on in a new one."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any

import anyio
import pytest

from mcptap.protocol import VERSION_HEADER
from mcptap.tap.link import Frame, Link
from mcptap.tap.link.client import http_client
from mcptap.tap.link.http import http_opener
from tests.tap.link.heard import PATIENCE, Heard

pytestmark = pytest.mark.anyio

VERSION = "2025-11-25"
HELLO: Frame = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": VERSION}}
READY: Frame = {"jsonrpc": "2.0", "method": "notifications/initialized"}
HEADERS = {VERSION_HEADER: VERSION}


class Upstream:
    """A server whose sessions end when it forgets them.

    Attributes:
        sessions: The methods that were sent in each, in the order in which they began.
        listening: The sessions of the streams that were opened by GET.
        version: What it answers to ``initialize``; nothing makes that an error, or nonsense.
        as_stream: Whether it answers ``initialize`` by a stream.
        unknown: What it answers with status 404 to a session that it doesn't know.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, list[str]] = {}
        self.known: set[str] = set()
        self.listening: SimpleQueue[str] = SimpleQueue()
        self.lock = threading.Lock()
        self.version: str | None = VERSION
        self.as_stream = False
        self.unknown: Any = {"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "gone"}}

    def forget(self) -> None:
        """Know no session any more."""
        self.known.clear()

    def begin(self) -> str:
        """Begin a session."""
        name = f"session{len(self.sessions)}"
        self.sessions[name] = []
        self.known.add(name)
        return name


class Handler(BaseHTTPRequestHandler):
    """Answers for the ``upstream`` of its subclass."""

    upstream: Upstream

    def do_POST(self) -> None:
        frame = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.upstream.lock:
            self.answer(frame, self.headers["mcp-session-id"])

    def answer(self, frame: Frame, session: str | None) -> None:
        method, upstream = frame["method"], self.upstream
        if method == "initialize":
            assert session is None
            self.begin(frame)
        elif session is None or session not in upstream.known:
            self.send(404, upstream.unknown)
        elif method == "odd":
            error = {"code": -32601, "message": "no such method"}
            self.send(404, {"jsonrpc": "2.0", "id": frame["id"], "error": error})
        else:
            upstream.sessions[session].append(method)
            answer = {"jsonrpc": "2.0", "id": frame.get("id"), "result": {"in": session}}
            self.send(*((200, answer) if "id" in frame else (202, None)))

    def begin(self, frame: Frame) -> None:
        if self.upstream.version is None:
            self.send(503, None)
            return
        result: Any = {"protocolVersion": self.upstream.version, "capabilities": {}}
        if self.upstream.version == "nonsense":
            result = ["nonsense"]
        answer = {"jsonrpc": "2.0", "id": frame["id"], "result": result}
        self.send(200, answer, self.upstream.begin(), as_stream=self.upstream.as_stream)

    def do_GET(self) -> None:
        self.upstream.listening.put(self.headers["mcp-session-id"])
        self.send(405, None)

    def do_DELETE(self) -> None:
        self.send(200, None)

    def send(self, status: int, body: Any, session: str | None = None, *, as_stream: bool = False) -> None:
        text = "" if body is None else json.dumps(body)
        self.send_response(status)
        self.send_header("content-type", "text/event-stream" if as_stream else "application/json")
        if session is not None:
            self.send_header("mcp-session-id", session)
        self.end_headers()
        self.wfile.write((f"data: {text}\n\n" if as_stream else text).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def served(upstream: Upstream) -> Iterator[str]:
    handler = type("Handler", (Handler,), {"upstream": upstream})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mcp"
    finally:
        server.shutdown()
        server.server_close()


@asynccontextmanager
async def linked(upstream: Upstream, heard: Heard) -> AsyncIterator[tuple[Link, str]]:
    """A link on which a session has begun, and the server's address."""
    with served(upstream) as url:
        async with http_client(url, None, None) as client, http_opener(client, url)(heard) as link:
            link.send(HELLO)
            assert "result" in await heard.of(1)
            link.send(READY, HEADERS)
            link.send(request(2), HEADERS)
            assert (await heard.of(2))["result"] == {"in": "session0"}
            yield link, url


def request(number: int, method: str = "call") -> Frame:
    return {"jsonrpc": "2.0", "id": number, "method": method}


@pytest.mark.parametrize("as_stream", [False, True])
@pytest.mark.parametrize("unknown", [Upstream().unknown, None, "Not Found"])
async def test_requests_go_on_in_one_new_session(*, as_stream: bool, unknown: Any) -> None:
    upstream, heard = Upstream(), Heard()
    upstream.as_stream, upstream.unknown = as_stream, unknown
    async with linked(upstream, heard) as (link, url):
        upstream.forget()
        for number in range(3, 9):
            link.send(request(number), HEADERS)
        answers = [(await heard.of(number))["result"] for number in range(3, 9)]
        assert answers == [{"in": "session1"}] * 6
    assert upstream.sessions == {
        "session0": ["notifications/initialized", "call"],
        "session1": ["notifications/initialized", *["call"] * 6],
    }
    assert heard.said == [f"{url} has forgotten the session: a new one was begun in its place"]


async def test_what_the_server_says_by_itself_is_heard_in_the_new_session_too() -> None:
    upstream, heard = Upstream(), Heard()
    async with linked(upstream, heard) as (link, _):
        upstream.forget()
        link.send(request(3), HEADERS)
        await heard.of(3)
        hear = partial(upstream.listening.get, timeout=PATIENCE)
        assert [await anyio.to_thread.run_sync(hear) for _ in range(2)] == ["session0", "session1"]


async def test_a_notification_begins_it_too() -> None:
    upstream, heard = Upstream(), Heard()
    async with linked(upstream, heard) as (link, _):
        upstream.forget()
        link.send({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}, HEADERS)
        link.send(request(3), HEADERS)
        assert (await heard.of(3))["result"] == {"in": "session1"}
    assert upstream.sessions["session1"] == [
        "notifications/initialized",
        "notifications/roots/list_changed",
        "call",
    ]


@pytest.mark.parametrize("version", [None, "2025-03-26", "nonsense"])
async def test_a_server_that_begins_no_such_session_fails_the_request(version: str | None) -> None:
    upstream, heard = Upstream(), Heard()
    async with linked(upstream, heard) as (link, url):
        upstream.forget()
        upstream.version = version
        link.send(request(3), HEADERS)
        assert await heard.of(3) == f"{url} no longer knows the session, and begins no new one"
        assert heard.unintelligible == {3}
        upstream.version = VERSION
        link.send(request(4), HEADERS)
        assert "result" in await heard.of(4), "the next one tries again"


async def test_an_answer_that_comes_with_status_404_is_an_answer() -> None:
    upstream, heard = Upstream(), Heard()
    async with linked(upstream, heard) as (link, _):
        link.send(request(3, "odd"), HEADERS)
        assert (await heard.of(3))["error"]["code"] == -32601
    assert list(upstream.sessions) == ["session0"]
    assert heard.said == []
