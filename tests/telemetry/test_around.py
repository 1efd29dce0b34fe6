"""A client's request is one SERVER span as the client sees it, whatever mcptap does to answer it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.clients.raw import handshake
from tests.telemetry.receivers import ReceivedSpan, collector
from tests.telemetry.test_trees import Told, answer, tapped

WIRE = [sys.executable, "-m", "tests.servers.wire"]


def _kinds_and_names(spans: list[ReceivedSpan]) -> list[tuple[str, str]]:
    return [(each.kind, each.name) for each in spans]


@pytest.mark.parametrize("front", ["stdio", "http"])
def test_a_request_that_a_fault_has_answered_is_a_span(front: str) -> None:
    told = Told()
    with collector("http/protobuf") as received:

        async def work() -> None:
            fault = ["--fault", "tools/call:echo error=-32099", "--fault", "tools/call:progress delay=300ms"]
            async with tapped(front, "handshake", received, "proxy", *fault, "--", *WIRE) as client:
                await handshake(client)
                await client.call("echo", {"text": "hi"}, meta=told.meta("refused"))
                await client.call("progress", {"n": 1}, meta=told.meta("late"))

        asyncio.run(work())
    (refused,) = received.in_trace(told.trace("refused"))
    assert (refused.kind, refused.name, refused.parent) == ("SERVER", "tools/call echo", told.root("refused"))
    assert refused.attributes["error.type"] == refused.attributes["rpc.response.status_code"] == "-32099"
    late, hop = received.in_trace(told.trace("late"))
    assert (late.kind, hop.kind) == ("SERVER", "CLIENT")
    assert late.ended - late.started > 250_000_000
    assert late.attributes["mcptap.proxy.duration"] > 0.25, "who is late is mcptap"


@pytest.mark.parametrize("front", ["stdio", "http"])
def test_a_request_in_whose_place_the_connection_ends_is_disconnected(front: str) -> None:
    told = Told()
    with collector("http/protobuf") as received:

        async def work() -> None:
            fault = ["--fault", "tools/call:echo disconnect"]
            async with tapped(front, "handshake", received, "proxy", *fault, "--", *WIRE) as client:
                await handshake(client)
                with pytest.raises((ConnectionError, httpx2.TransportError)):
                    await client.call("echo", {"text": "hi"}, meta=told.meta("cut"))

        asyncio.run(work())
    (span,) = received.in_trace(told.trace("cut"))
    assert (span.kind, span.name, span.status) == ("SERVER", "tools/call echo", "ERROR")
    assert span.attributes["error.type"] == span.attributes["mcptap.outcome"] == "disconnected"
    assert "rpc.response.status_code" not in span.attributes


def test_what_a_bridged_client_sends_is_one_span_around_all_that_the_server_is_asked_for_it() -> None:
    told = Told()
    server = [sys.executable, "-m", "tests.servers.modern_only", "stdio"]
    with collector("http/protobuf") as received:

        async def work() -> None:
            arguments = ["proxy", "--bridge", "auto", "--", *server]
            async with tapped("stdio", "handshake", received, *arguments, on_request=answer) as client:
                await handshake(client)
                await client.call("add", {"a": 1, "b": 2}, meta=told.meta("add"))
                await client.call("greet", {}, meta=told.meta("greet"))

        asyncio.run(work())
    begun = [each for each in received.spans if (each.kind, each.name) == ("SERVER", "initialize")]
    assert [each.status for each in begun] == ["UNSET"], "the client's initialize succeeds"
    assert [each.attributes["mcp.protocol.version"] for each in begun] == ["2025-11-25"]
    numbers = [each.attributes.get("jsonrpc.request.id") for each in received.spans if each.kind == "SERVER"]
    requests = [each for each in numbers if each is not None]
    assert len(requests) == len(set(requests)) == 3, "no request of the client is two spans"
    add, hop = received.in_trace(told.trace("add"))
    assert _kinds_and_names([add, hop]) == [("SERVER", "tools/call add"), ("CLIENT", "tools/call add")]
    assert add.attributes["mcp.protocol.version"] == "2025-11-25"
    assert hop.attributes["mcp.protocol.version"] == "2026-07-28"
    assert (hop.parent, add.parent) == (add.span_id, told.root("add"))
    upstream = (hop.ended - hop.started) / 1e9
    assert add.attributes["mcptap.proxy.duration"] <= (add.ended - add.started) / 1e9 - upstream / 2
    greet = received.in_trace(told.trace("greet"))
    assert _kinds_and_names(greet) == [
        ("SERVER", "tools/call greet"),
        ("CLIENT", "tools/call greet"),
        ("CLIENT", "elicitation/create"),
        ("CLIENT", "tools/call greet"),
    ]
    assert {each.parent for each in greet[1:]} == {greet[0].span_id}


def test_a_modern_client_of_a_handshake_server_has_spans_of_its_own_era() -> None:
    told = Told()
    with collector("grpc") as received:

        async def work() -> None:
            arguments = ["proxy", "--bridge", "auto", "--", *WIRE, "--era", "handshake"]
            async with tapped("stdio", "modern", received, *arguments) as client:
                await client.request("server/discover", {"_meta": told.meta("discover")})
                await client.call("echo", {"text": "hi"}, meta=told.meta("echo"))
                first = await client.call("ask", {"kind": "elicitation"}, meta=told.meta("ask"))
                state = first.body["result"]["requestState"]
                accepted = {"action": "accept", "content": {"name": "Ada"}}
                answers = dict.fromkeys(first.body["result"]["inputRequests"], accepted)
                retry = {"name": "ask", "arguments": {"kind": "elicitation"}, "inputResponses": answers}
                await client.request(
                    "tools/call", {**retry, "requestState": state, "_meta": told.meta("retry")}
                )

        asyncio.run(work())
    for what in ("discover", "echo", "ask", "retry"):
        span = received.in_trace(told.trace(what))[0]
        assert (span.kind, span.parent, span.status) == ("SERVER", told.root(what), "UNSET"), what
        assert span.attributes["mcp.protocol.version"] == "2026-07-28"
    discovered = received.in_trace(told.trace("discover"))
    assert _kinds_and_names(discovered[1:]) == [
        ("CLIENT", "server/discover"),
        ("CLIENT", "initialize"),
        ("CLIENT", "notifications/initialized"),
    ]
    _assert_all_inside(discovered)
    echo, hop = received.in_trace(told.trace("echo"))
    assert _kinds_and_names([echo, hop]) == [("SERVER", "tools/call echo"), ("CLIENT", "tools/call echo")]
    assert hop.attributes["mcp.protocol.version"] == "2025-11-25"
    assert _kinds_and_names(received.in_trace(told.trace("ask"))) == [
        ("SERVER", "tools/call ask"),
        ("CLIENT", "tools/call ask"),
    ], "the client was sent no question of its own"
    (retry,) = received.in_trace(told.trace("retry"))
    assert _kinds_and_names([retry]) == [("SERVER", "tools/call ask")]
    assert 0 < retry.attributes["mcptap.proxy.duration"] < (retry.ended - retry.started) / 1e9


@pytest.mark.parametrize("record", [False, True], ids=["forward", "record"])
def test_a_miss_that_is_forwarded_has_a_hop_to_the_server(tmp_path: Path, *, record: bool) -> None:
    cassette, log, told = tmp_path / "rec.jsonl", tmp_path / "log", Told()
    with collector("grpc") as received:

        async def work() -> None:
            async with tapped(
                "stdio", "handshake", received, "record", "-o", str(cassette), "--", *WIRE
            ) as client:
                await handshake(client)
                await client.call("echo", {"text": "known"})
            received.spans.clear()
            on_miss = ["--on-miss", "record" if record else "forward"]
            server = [*WIRE, "--log", str(log)]
            arguments = ["replay", str(cassette), *on_miss, "--", *server]
            async with tapped("stdio", "handshake", received, *arguments, on_request=answer) as client:
                await handshake(client)
                await client.call("echo", {"text": "known"}, meta=told.meta("known"))
                await client.call("ask", {"kind": "elicitation"}, meta=told.meta("new"))

        asyncio.run(work())
    (known,) = received.in_trace(told.trace("known"))
    assert known.attributes["mcptap.match"] == "hit"
    span, initialize, initialized, hop, question, passed_on = received.in_trace(told.trace("new"))
    assert _kinds_and_names([initialize, initialized]) == [
        ("CLIENT", "initialize"), ("CLIENT", "notifications/initialized"),
    ]  # fmt: skip
    _assert_all_inside([span, initialize, initialized, hop])
    assert _kinds_and_names([span, hop]) == [("SERVER", "tools/call ask"), ("CLIENT", "tools/call ask")]
    assert (span.attributes["mcptap.match"], span.attributes["mcptap.replayed"]) == ("miss", False)
    assert span.status == "UNSET"
    assert _kinds_and_names([question, passed_on]) == [
        ("SERVER", "elicitation/create"), ("CLIENT", "elicitation/create"),
    ]  # fmt: skip
    assert (hop.parent, question.parent, passed_on.parent) == (span.span_id, hop.span_id, question.span_id)
    metas = _metas(log)
    assert f"00-{told.trace('new')}-{hop.span_id}-01" in [each.get("traceparent") for each in metas]
    recorded = [each["_meta"] for each in _params(cassette) if told.trace("new") in str(each.get("_meta"))]
    sent = f"00-{told.trace('new')}-{told.root('new')}-01"
    assert [each["traceparent"] for each in recorded] == ([sent] if record else []), "as the client sent it"
    lines = [json.loads(line) for line in cassette.read_text().splitlines()]
    traces = [each.get("trace_id") for each in lines if each.get("method") == "initialize"]
    assert (traces[-1] == told.trace("new")) is record


def test_what_a_bridge_asks_for_itself_is_in_the_trace_of_the_request_that_needs_it() -> None:
    told = Told()
    with collector("http/protobuf") as received:

        async def work() -> None:
            arguments = ["proxy", "--bridge", "auto", "--", *WIRE, "--era", "handshake"]
            async with tapped("stdio", "modern", received, *arguments) as client:
                await client.call("echo", {"text": "hi"}, meta=told.meta("echo"))

        asyncio.run(work())
    spans = received.in_trace(told.trace("echo"))
    assert _kinds_and_names(spans) == [
        ("SERVER", "tools/call echo"),
        ("CLIENT", "server/discover"),
        ("CLIENT", "initialize"),
        ("CLIENT", "notifications/initialized"),
        ("CLIENT", "tools/call echo"),
    ]
    _assert_all_inside(spans)


def _assert_all_inside(spans: list[ReceivedSpan]) -> None:
    """The first is around all the others, and none of the time of those is mcptap's own."""
    around, *inside = spans
    assert {each.parent for each in inside} == {around.span_id}
    took = sum(each.ended - each.started for each in inside if not each.name.startswith("notifications"))
    own = around.attributes["mcptap.proxy.duration"]
    assert own <= (around.ended - around.started - took) / 1e9 + 0.05
    assert own > 0


def _params(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [each["params"] for each in lines if isinstance(each.get("params"), dict)]


def _metas(path: Path) -> list[dict[str, Any]]:
    return [each["_meta"] for each in _params(path) if "_meta" in each]
