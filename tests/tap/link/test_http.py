"""Streamable HTTP as a link: streams that end before their answer, over real HTTP on the loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import anyio
import pytest

from mcptap.tap.link import Frame
from mcptap.tap.link.client import http_client
from mcptap.tap.link.http import http_opener
from tests.tap.link.heard import PATIENCE, Heard

pytestmark = pytest.mark.anyio

ANSWER: Frame = {"jsonrpc": "2.0", "id": 1, "result": {"text": "at last"}}


def event(event_id: str, frame: Frame | None = None) -> str:
    """An event, by default one that only tells where to go on, and when."""
    return f"id: {event_id}\nretry: 10\ndata: {json.dumps(frame) if frame else ''}\n\n"


class Upstream:
    """Sends the given streams to the request ``call`` and to what resumes it, and answers any other at once.

    A number in place of a stream is a status to answer with.
    """

    def __init__(self, *streams: str | int, port: int = 0) -> None:
        self.resumed_from: list[str | None] = []
        following: Iterator[str | int] = iter(streams)
        resumed_from = self.resumed_from

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                frame = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if "id" not in frame:
                    self.send(202, "text/plain", "")
                elif frame["method"] == "call":
                    self.stream()
                else:
                    answer = {"jsonrpc": "2.0", "id": frame["id"], "result": {}}
                    self.send(200, "application/json", json.dumps(answer))

            def do_GET(self) -> None:
                resumed_from.append(self.headers["last-event-id"])
                self.stream()

            def stream(self) -> None:
                following_stream = next(following)
                if isinstance(following_stream, int):
                    self.send(following_stream, "text/plain", "")
                else:
                    self.send(200, "text/event-stream", following_stream)

            def send(self, status: int, kind: str, text: str) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/mcp"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


def request(number: int, method: str) -> Frame:
    return {"jsonrpc": "2.0", "id": number, "method": method}


def ended(url: str) -> str:
    return f"the stream from {url} ended without an answer"


async def call_and_ping(upstream: Upstream) -> tuple[Frame | str, Heard]:
    """What becomes of a call; a request after it in the same session must be answered."""
    heard = Heard()
    async with (
        http_client(upstream.url, None, None) as client,
        http_opener(client, upstream.url)(heard) as link,
    ):
        link.send(request(1, "call"))
        outcome = await heard.of(1)
        link.send(request(2, "ping"))
        assert await heard.of(2) == {"jsonrpc": "2.0", "id": 2, "result": {}}
    assert not heard.unintelligible
    assert not heard.said
    return outcome, heard


async def test_a_stream_that_ends_again_and_again_is_resumed_from_its_newest_event_to_the_answer() -> None:
    with Upstream(event("a"), event("b"), event("c"), event("d", ANSWER)) as upstream:
        outcome, heard = await call_and_ping(upstream)
    assert outcome == ANSWER
    assert upstream.resumed_from == ["a", "b", "c"]
    assert heard.pauses == 3


async def test_resuming_without_progress_is_given_up_and_fails_that_request_alone() -> None:
    with Upstream(event("a"), "", event("a"), ": nothing\n\n") as upstream:
        outcome, _ = await call_and_ping(upstream)
    assert outcome == ended(upstream.url)
    assert upstream.resumed_from == ["a", "a", "a"]


async def test_a_new_event_makes_resuming_worth_as_many_attempts_as_at_first() -> None:
    with Upstream(event("a"), "", "", event("b"), "", "", event("c", ANSWER)) as upstream:
        outcome, _ = await call_and_ping(upstream)
    assert outcome == ANSWER
    assert upstream.resumed_from == ["a", "a", "a", "b", "b", "b"]


async def test_a_stream_without_event_ids_is_not_resumed() -> None:
    with Upstream("data:\n\n") as upstream:
        outcome, _ = await call_and_ping(upstream)
    assert outcome == ended(upstream.url)
    assert upstream.resumed_from == []


async def test_a_server_that_refuses_to_resume_a_stream_is_told_with_its_status() -> None:
    with Upstream(event("a"), 404) as upstream:
        outcome, _ = await call_and_ping(upstream)
    refusal = f"{upstream.url} answered 404 Not Found"
    assert outcome == f"{ended(upstream.url)}, and can't be resumed: {refusal}"
    assert upstream.resumed_from == ["a"]


async def test_the_stream_of_a_request_that_was_taken_back_is_not_resumed_for_ever() -> None:
    with Upstream(*[event(f"event-{number}") for number in range(1000)]) as upstream:
        heard = Heard()
        async with (
            http_client(upstream.url, None, None) as client,
            http_opener(client, upstream.url)(heard) as link,
        ):
            link.send(request(1, "call"))
            with anyio.fail_after(PATIENCE):
                await heard.a_pause.wait()
            link.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
            assert await heard.of(1) == ended(upstream.url)
    assert len(upstream.resumed_from) < 100


async def test_a_server_that_goes_away_in_mid_request_is_named_and_used_again_when_it_is_back() -> None:
    heard = Heard()
    slowly = event("a").replace("retry: 10", "retry: 300")
    with Upstream(slowly) as upstream:
        url, port = upstream.url, upstream.port
        async with http_client(url, None, None) as client, http_opener(client, url)(heard) as link:
            link.send(request(1, "call"))
            with anyio.fail_after(PATIENCE):
                await heard.a_pause.wait()
            await anyio.to_thread.run_sync(upstream.stop)
            outcome = await heard.of(1)
            assert isinstance(outcome, str)
            assert outcome.startswith(f"{ended(url)}, and can't be resumed: {url} can't be reached: ")
            link.send(request(2, "ping"))
            assert await heard.of(2) == outcome.partition("resumed: ")[2]
            with Upstream(port=port):
                link.send(request(3, "ping"))
                assert await heard.of(3) == {"jsonrpc": "2.0", "id": 3, "result": {}}
