"""One trace from the client over the tap to the server, whatever the transport, the era and the outcome."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mcptap.cassette.reader import open_cassette
from mcptap.model import Interaction
from tests.clients.raw import Client, HttpClient, Message, PipeClient, handshake
from tests.clients.websocket import SocketClient
from tests.http.running import MCPTAP, PATIENCE, ROOT, started
from tests.telemetry.receivers import Protocol, Received, ReceivedSpan, collector

ENDPOINTS = {"client.address", "client.port"}


class Told:
    """The traces that a client began: one a request, each with a root span of the client's own."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def meta(self, what: str) -> dict[str, str]:
        """The ``_meta`` of a request by this name."""
        number = len(self._ids) + 1
        self._ids[what] = f"{number:032x}"
        return {
            "traceparent": f"00-{number:032x}-{number:016x}-01",
            "tracestate": "vendor=its,other=1",
            "baggage": "user=ada",
        }

    def trace(self, what: str) -> str:
        return self._ids[what]

    def root(self, what: str) -> str:
        return self._ids[what][16:]


@contextlib.asynccontextmanager
async def tapped(
    front: str, era: Any, received: Received, *arguments: str, on_request: Any = None
) -> AsyncIterator[Client]:
    """A client of mcptap whose telemetry goes to a collector."""
    environment = {**os.environ, **received.environment, "OTEL_RESOURCE_ATTRIBUTES": "team=tests"}
    verb, *rest = arguments
    options: dict[str, Any] = {"era": era, "timeout": PATIENCE, "on_request": on_request}
    if front == "stdio":
        async with PipeClient([*MCPTAP, verb, *rest], cwd=ROOT, env=environment, **options) as on_pipe:
            yield on_pipe
            on_pipe.close_stdin()
            await on_pipe.wait()
        return
    argv = [*MCPTAP, verb, "--transport", "http", "--port", "0", *rest]
    async with started(argv, env=environment) as running:
        url = (await running.says(r"serving .* at (http\S+)"))[1]
        async with HttpClient(url, headers={"traceparent": HTTP_SPAN}, **options) as client:
            yield client
        await running.stop()


def test_over_websocket_both_sides_name_it_and_where_they_are_connected_to() -> None:
    server = [sys.executable, "-m", "tests.servers.wire"]
    argv = [*MCPTAP, "proxy", "--transport", "ws", "--port", "0"]
    with collector("http/protobuf") as received:

        async def work() -> None:
            environment = {**os.environ, **received.environment}
            async with (
                started([*argv, "--", *server], env=dict(os.environ)) as upstream,
                started(
                    [*argv, "--url", (await upstream.says(r"serving .* at (ws\S+)"))[1]], env=environment
                ) as running,
            ):
                url = (await running.says(r"serving .* at (ws\S+)"))[1]
                async with SocketClient(url, era="handshake", timeout=PATIENCE) as client:
                    await handshake(client)
                    await client.call("echo")
                await running.stop()

        asyncio.run(work())
    arrived, sent = (
        next(each for each in received.spans if each.name == "tools/call echo" and each.kind == kind)
        for kind in ("SERVER", "CLIENT")
    )
    assert arrived.attributes["network.protocol.name"] == "websocket"
    assert sent.attributes["network.protocol.name"] == "websocket"
    assert arrived.attributes["client.address"] == "127.0.0.1"
    assert arrived.attributes["client.port"] > 0
    assert sent.attributes["server.address"] == "127.0.0.1"
    assert sent.attributes["server.port"] > 0


HTTP_SPAN = "00-" + "f" * 32 + "-" + "e" * 16 + "-01"


def answer(request: Message) -> dict[str, Any]:
    return {"result": {"action": "accept", "content": {"name": "Ada"}}}


def wait_for(text: str, log: Path) -> None:
    """Wait until a log says something."""
    while text not in log.read_text():
        time.sleep(0.01)


async def talk(client: Client, told: Told, log: Path) -> None:
    """Make a request of each kind of outcome, one after the other.

    Args:
        client: Who makes them.
        told: Gives them their traces.
        log: Where the server writes what it gets.
    """
    await handshake(client)
    await client.notify("notifications/example", {"_meta": told.meta("client notification")})
    await client.call("echo", {"text": "hi"}, meta=told.meta("success"))
    await client.call("tool_error", meta=told.meta("tool error"))
    await client.call("error_bare", meta=told.meta("protocol error"))
    await client.request("example/unknown", {"_meta": told.meta("unknown method")})
    await client.request("resources/read", {"uri": "wire://text", "_meta": told.meta("resource")})
    await client.call("progress", {"n": 2}, meta={"progressToken": "p", **told.meta("notification")})
    await client.request(
        "prompts/get", {"name": "greet", "arguments": {"who": "you"}, "_meta": told.meta("prompt")}
    )
    await client.call("ask", {"kind": "elicitation"}, meta=told.meta("elicitation"))
    hung = asyncio.ensure_future(client.call("slow", {"ms": 60_000}, meta=told.meta("cancel"), id="gone"))
    await asyncio.to_thread(wait_for, told.trace("cancel"), log)
    await client.call("echo", {"text": "meanwhile"})
    if client.era == "handshake" or isinstance(client, PipeClient):
        await client.notify("notifications/cancelled", {"requestId": "gone", "reason": "enough"})
    else:  # the client closes the stream of the request
        hung.cancel()
        await asyncio.wait([hung])
    await client.call("echo", {"text": "afterwards"})
    hung.cancel()


@pytest.mark.parametrize(
    ("front", "era", "protocol"),
    [
        ("stdio", "handshake", "grpc"),
        ("stdio", "modern", "http/protobuf"),
        ("http", "handshake", "http/protobuf"),
        ("http", "modern", "grpc"),
    ],
)
def test_every_request_is_one_trace_from_the_client_to_the_server(
    front: str, era: Any, protocol: Protocol, tmp_path: Path
) -> None:
    cassette, log, told = tmp_path / "rec.jsonl", tmp_path / "log", Told()
    server = [sys.executable, "-m", "tests.servers.wire", "--log", str(log)]
    with collector(protocol) as received:

        async def work() -> None:
            arguments = ["record", "-o", str(cassette), "--", *server]
            async with tapped(front, era, received, *arguments, on_request=answer) as client:
                await talk(client, told, log)

        asyncio.run(work())
    heard = [json.loads(line) for line in log.read_text().splitlines()]
    recorded = {each.trace_id: each for each in open_cassette(cassette).interactions()}
    tree = _Tree(front, era, told, received, heard, recorded)

    tree.check("success", "tools/call echo")
    tree.check("tool error", "tools/call tool_error", error="tool_error")
    tree.check("protocol error", "tools/call error_bare", error="-32052", description="without data")
    tree.check("unknown method", "example/unknown", error="-32601", server_error=None)
    tree.check("resource", "resources/read")
    tree.check("prompt", "prompts/get greet")
    tree.check("notification", "tools/call progress", events=["notifications/progress"] * 2)
    if front == "stdio" or era == "handshake":
        events = ["notifications/cancelled"]
        tree.check("cancel", "tools/call slow", error="cancelled", events=events, code=None)
    else:
        tree.check("cancel", "tools/call slow", error="disconnected", code=None)
    tree.check_notification()
    tree.check_elicitation()
    scopes = {each.scope for each in received.spans}
    assert scopes == {"mcptap"}, "neither FastMCP's spans nor the SDK's are among them"
    (resource,) = {tuple(sorted(each.resource.items())) for each in received.spans}
    assert {("service.name", "mcptap"), ("team", "tests")} <= set(resource)


class _Tree:
    def __init__(
        self,
        front: str,
        era: str,
        told: Told,
        received: Received,
        heard: list[dict[str, Any]],
        recorded: dict[str | None, Interaction],
    ) -> None:
        self.front = front
        self.era = era
        self.told = told
        self.received = received
        self.heard = heard
        self.recorded = recorded

    def parts(self, what: str) -> list[ReceivedSpan]:
        spans = self.received.in_trace(self.told.trace(what))
        assert spans, f"{what}: no span joined the client's trace"
        assert all(each.trace_state == "vendor=its,other=1" for each in spans)
        server = spans[0]
        assert (server.kind, server.parent) == ("SERVER", self.told.root(what)), what
        expected = [("f" * 32, "e" * 16)] if self.front == "http" else []
        assert server.links == expected, "the HTTP request's own span is linked"
        return spans

    def check(
        self,
        what: str,
        name: str,
        *,
        error: str | None = None,
        server_error: str | None = "same",
        description: str = "",
        events: list[str] | None = None,
        code: str | None = "same",
    ) -> None:
        server, client = self.parts(what)
        server_error = error if server_error == "same" else server_error
        assert (server.name, client.name, client.kind) == (name, name, "CLIENT")
        assert client.parent == server.span_id
        assert server.started <= client.started <= client.ended <= server.ended
        for span, failure in ((server, server_error), (client, error)):
            assert span.attributes.get("error.type") == failure, what
            assert span.status == ("UNSET" if failure is None else "ERROR"), what
            assert description in span.description
            if error is not None and error.startswith("-"):
                assert span.attributes["rpc.response.status_code"] == error
            else:
                assert "rpc.response.status_code" not in span.attributes
        assert [name for name, _ in server.events] == (events or [])
        assert (set(server.attributes) >= ENDPOINTS) is (self.front == "http")
        in_session = (self.front, self.era) == ("http", "handshake")
        assert ("mcp.session.id" in server.attributes) is in_session
        self._check_upstream(what, client)
        self._check_cassette(what, server)

    def _check_upstream(self, what: str, client: ReceivedSpan) -> None:
        """What the server got names the CLIENT span as its parent, and all else as the client sent it."""
        metas = [each.get("params", {}).get("_meta", {}) for each in self.heard]
        (meta,) = [each for each in metas if self.told.trace(what) in each.get("traceparent", "")]
        assert meta["traceparent"] == f"00-{self.told.trace(what)}-{client.span_id}-01"
        assert meta["tracestate"] == "vendor=its,other=1"
        assert meta["baggage"] == "user=ada"

    def _check_cassette(self, what: str, server: ReceivedSpan) -> None:
        recorded = self.recorded[self.told.trace(what)]
        assert recorded.span_id == server.span_id
        assert recorded.seq == server.attributes["mcptap.seq"]
        sent = f"00-{self.told.trace(what)}-{self.told.root(what)}-01"
        assert (recorded.params or {})["_meta"]["traceparent"] == sent, "recorded as the client sent it"

    def check_notification(self) -> None:
        if (self.front, self.era) == ("http", "modern"):
            return  # the SDK's stateless entry takes notifications and passes none of them on
        server, client = self.parts("client notification")
        assert (server.name, client.name) == ("notifications/example", "notifications/example")
        assert (client.kind, client.parent) == ("CLIENT", server.span_id)
        assert "jsonrpc.request.id" not in {**server.attributes, **client.attributes}
        self._check_upstream("client notification", client)

    def check_elicitation(self) -> None:
        if self.era == "modern":
            self.check("elicitation", "tools/call ask")
            return
        server, client, asked, passed_on = self.parts("elicitation")
        assert [each.name for each in (server, client)] == ["tools/call ask"] * 2
        assert [each.name for each in (asked, passed_on)] == ["elicitation/create"] * 2
        assert [each.kind for each in (asked, passed_on)] == ["SERVER", "CLIENT"]
        assert (asked.parent, passed_on.parent) == (client.span_id, asked.span_id)
        assert "jsonrpc.request.id" in asked.attributes
        assert "jsonrpc.request.id" in passed_on.attributes, "the id that the client was asked with"


FRONTS_AND_ERAS = [
    ("stdio", "handshake"), ("stdio", "modern"), ("http", "handshake"), ("http", "modern"),
]  # fmt: skip


@pytest.mark.parametrize(("front", "era"), FRONTS_AND_ERAS)
def test_a_replayed_hit_and_a_miss_are_spans_of_the_live_request_with_a_link_to_the_recorded_one(
    front: str, era: Any, tmp_path: Path
) -> None:
    cassette, first, second = tmp_path / "rec.jsonl", Told(), Told()
    first.meta("so that the ids of both runs differ")
    server = [sys.executable, "-m", "tests.servers.wire"]
    with collector("grpc") as received:

        async def work() -> list[ReceivedSpan]:
            options = {"on_request": answer}
            async with tapped(
                front, era, received, "record", "-o", str(cassette), "--", *server, **options
            ) as client:
                await handshake(client)
                await client.call("echo", {"text": "hi"}, meta=first.meta("recorded"))
                await client.call("tool_error", meta=first.meta("tool error"))
                await client.call("ask", {"kind": "elicitation"}, meta=first.meta("asked"))
            recording = list(received.spans)
            received.spans.clear()
            async with tapped(front, era, received, "replay", str(cassette), **options) as client:
                await handshake(client)
                for what in ("hit", "repeat"):
                    await client.call("echo", {"text": "hi"}, meta=second.meta(what))
                await client.call("tool_error", meta=second.meta("tool error"))
                await client.call("echo", {"text": "other"}, meta=second.meta("miss"))
                await client.call("ask", {"kind": "elicitation"}, meta=second.meta("asked again"))
            return recording

        recording = asyncio.run(work())
    (recorded,) = [
        each for each in recording if (each.trace_id, each.kind) == (first.trace("recorded"), "SERVER")
    ]
    ambient = [("f" * 32, "e" * 16)] if front == "http" else []
    for what in ("hit", "repeat"):
        (span,) = received.in_trace(second.trace(what))
        assert (span.kind, span.name, span.parent) == ("SERVER", "tools/call echo", second.root(what))
        assert span.links == [*ambient, (recorded.trace_id, recorded.span_id)]
        assert span.attributes["mcptap.match"] == what
        assert span.attributes["mcptap.replayed"] is True
        assert span.attributes["mcptap.seq"] == recorded.attributes["mcptap.seq"]
        assert span.attributes["mcptap.cassette"] == str(cassette)
        assert span.status == "UNSET"
    (failed,) = received.in_trace(second.trace("tool error"))
    assert (failed.attributes["error.type"], failed.attributes["mcptap.match"]) == ("tool_error", "hit")
    (miss,) = received.in_trace(second.trace("miss"))
    assert (miss.attributes["mcptap.match"], miss.attributes["mcptap.replayed"]) == ("miss", False)
    assert miss.attributes["error.type"] == miss.attributes["rpc.response.status_code"] == "-32004"
    assert (miss.status, miss.links) == ("ERROR", ambient)
    request, *asked = received.in_trace(second.trace("asked again"))
    assert (request.kind, request.attributes["mcptap.match"]) == ("SERVER", "hit")
    if era == "modern":  # the answer says what input it needs; nobody is asked
        assert asked == []
        return
    (question,) = asked
    assert (question.kind, question.name) == ("CLIENT", "elicitation/create")
    assert question.parent == request.span_id, "no server asked: the tap does"
    assert "jsonrpc.request.id" in question.attributes
