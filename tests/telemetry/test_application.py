"""An application that has set providers of its own: a tap in it, and a server that is no tap."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastmcp import Client, Context, FastMCP
from mcp.shared import _otel
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, DEFAULT_ON

from mcptap.cassette.reader import open_cassette
from mcptap.recording import record_to
from mcptap.tap.creating import create_tap
from mcptap.tap.middleware import TapMiddleware
from mcptap.telemetry.quiet import keep_sdk_quiet
from mcptap.telemetry.telemetry import Telemetry
from tests.clients.raw import HttpClient, Message, handshake

MEMO = "memo://ZZ-1234"
OWN_RULE = r"pattern:ZZ-\d+"


@pytest.fixture(params=[DEFAULT_ON, ALWAYS_ON], ids=["parentbased_always_on", "always_on"])
def spans(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What the application's provider was given; it is the global one for the test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=request.param)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    # There is no public way to take a global provider back.
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    # The SDK keeps the tracer of the first provider that it has met.
    monkeypatch.setattr(_otel, "_tracer", provider.get_tracer("mcp-python-sdk"))
    keep_sdk_quiet.cache_clear()
    yield exporter
    keep_sdk_quiet.cache_clear()
    provider.shutdown()


def upstream() -> FastMCP[Any]:
    server: FastMCP[Any] = FastMCP("upstream")

    @server.tool
    async def ask(ctx: Context) -> str:
        result = await ctx.elicit("Who?", str)
        return str(getattr(result, "data", ""))

    @server.resource("memo://{name}")
    def memo(name: str) -> str:
        return name

    @server.tool
    def fail() -> str:
        raise ValueError("no")

    return server


async def accept(*_: Any) -> str:
    return "Ada"


def accept_raw(request: Message) -> dict[str, Any]:
    return {"result": {"action": "accept", "content": {"name": "Ada"}}}


def scope_of(span: ReadableSpan) -> str:
    return span.instrumentation_scope.name if span.instrumentation_scope else ""


def named(spans: InMemorySpanExporter, scope: str | None = None) -> list[ReadableSpan]:
    found = spans.get_finished_spans()
    return sorted(
        (each for each in found if scope in {None, scope_of(each)}),
        key=lambda each: each.start_time or 0,
    )


def test_a_tap_uses_the_applications_tracer_and_joins_client_and_server(
    spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    async def work() -> None:
        tap = create_tap(upstream(), cassette=tmp_path / "rec.jsonl")
        async with Client(tap, mode="legacy", elicitation_handler=accept) as client:
            spans.clear()
            await client.call_tool("ask")

    asyncio.run(work())
    found = named(spans)
    ours = [each for each in named(spans, "mcptap") if each.name == "tools/call ask"]
    assert [each.kind.name for each in ours] == ["SERVER", "CLIENT"]
    assert ours[1].parent is not None
    assert ours[1].parent.span_id == ours[0].context.span_id
    assert ours[0].parent is not None, "the client's span is the parent"
    (handled,) = [each for each in found if each.parent and each.parent.span_id == ours[1].context.span_id
                  and scope_of(each) == "fastmcp"]  # fmt: skip
    assert handled.kind.name == "SERVER", "the real server's own span"
    assert len({each.context.trace_id for each in found if each.name.endswith("ask")}) == 1
    (recorded,) = [each for each in open_cassette(tmp_path / "rec.jsonl").interactions()
                   if each.method == "tools/call"]  # fmt: skip
    assert recorded.span_id == f"{ours[0].context.span_id:016x}"


def test_over_http_too_there_are_neither_the_sdks_spans_nor_fastmcps(
    spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    server = [sys.executable, "-m", "tests.servers.wire"]

    async def work() -> None:
        tap = create_tap(server, cassette=tmp_path / "rec.jsonl")
        listening = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        http = uvicorn.Server(uvicorn.Config(tap.http_app(path="/mcp"), log_level="error"))
        serving = asyncio.ensure_future(http.serve(sockets=[listening]))
        options: dict[str, Any] = {"timeout": 60, "on_request": accept_raw}
        async with HttpClient(url, era="handshake", **options) as client:
            await handshake(client)
            await client.call("ask", {"kind": "elicitation"})
        http.should_exit = True
        await serving

    asyncio.run(work())
    found = {(scope_of(each), each.kind.name, each.name) for each in named(spans)}
    assert {scope for scope, _, _ in found} == {"mcptap"}
    assert {(kind, name) for _, kind, name in found if "elicit" in name} == {
        ("SERVER", "elicitation/create"),
        ("CLIENT", "elicitation/create"),
    }


def test_a_server_that_is_no_tap_has_spans_by_the_conventions_and_no_others(
    spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    cassette = tmp_path / "rec.jsonl"

    async def work() -> None:
        with record_to(cassette) as recorder:
            server = upstream()
            server.add_middleware(TapMiddleware(recorder))
            async with Client(server, mode="legacy", elicitation_handler=accept) as client:
                await client.call_tool("ask")
                await client.call_tool_mcp("fail", {})

    asyncio.run(work())
    servers = [each for each in named(spans) if each.kind.name == "SERVER" and "tools/call" in each.name]
    assert [each.name for each in servers] == ["tools/call ask", "tools/call fail"]
    assert {scope_of(each) for each in servers} == {"mcptap"}
    assert (servers[1].attributes or {})["error.type"] == "tool_error"
    recorded = [each for each in open_cassette(cassette).interactions() if each.method == "tools/call"]
    assert [each.span_id for each in recorded] == [f"{each.context.span_id:016x}" for each in servers]


def test_recording_does_not_depend_on_sampling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)

    async def work() -> None:
        tap = create_tap(upstream(), cassette=tmp_path / "rec.jsonl")
        async with Client(tap, mode="legacy") as client:
            await client.call_tool_mcp("fail", {})

    asyncio.run(work())
    recorded = list(open_cassette(tmp_path / "rec.jsonl").interactions())
    assert [each.method for each in recorded] == ["initialize", "tools/call"]
    assert all(each.trace_id for each in recorded)


def test_what_is_told_to_be_off_stays_off(spans: InMemorySpanExporter) -> None:
    async def work() -> None:
        tap = create_tap(upstream(), telemetry=Telemetry())
        async with Client(tap, mode="legacy") as client:
            await client.call_tool_mcp("fail", {})

    asyncio.run(work())
    assert named(spans, "mcptap") == []


def uri_shown(spans: InMemorySpanExporter) -> str:
    """The URI that the span of the latest reading of a resource shows."""
    *_, read = [each for each in named(spans, "mcptap") if each.name == "resources/read"]
    return str((read.attributes or {})["mcp.resource.uri"])


def test_each_tap_of_a_process_shows_by_its_own_rules(spans: InMemorySpanExporter, tmp_path: Path) -> None:
    async def work() -> None:
        own = create_tap(upstream(), cassette=tmp_path / "a.jsonl", redaction=[OWN_RULE])
        others = create_tap(upstream(), cassette=tmp_path / "b.jsonl")
        async with Client(own, mode="legacy") as first, Client(others, mode="legacy") as second:
            await first.read_resource(MEMO)
            assert "ZZ-1234" not in uri_shown(spans)
            await second.read_resource(MEMO)
            assert uri_shown(spans) == MEMO

    asyncio.run(work())


def test_a_server_that_is_no_tap_shows_by_the_rules_of_its_recording_and_counts_it(
    spans: InMemorySpanExporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cassette, reader = tmp_path / "rec.jsonl", InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: provider)

    async def work() -> None:
        with record_to(cassette, redaction=[OWN_RULE]) as recorder:
            server = upstream()
            server.add_middleware(TapMiddleware(recorder))
            async with Client(server, mode="legacy") as client:
                await client.read_resource(MEMO)

    asyncio.run(work())
    assert "ZZ-1234" not in uri_shown(spans)
    (read,) = [each for each in named(spans, "mcptap") if each.name == "resources/read"]
    (recorded,) = [each for each in open_cassette(cassette).interactions() if each.method == read.name]
    attributes = read.attributes or {}
    assert (attributes["mcptap.cassette"], attributes["mcptap.seq"]) == (str(cassette), recorded.seq)
    assert recorded_interactions(reader) == len(list(open_cassette(cassette).interactions()))


def recorded_interactions(reader: InMemoryMetricReader) -> int:
    """What the counter of recorded interactions says."""
    data = reader.get_metrics_data()
    assert data is not None
    (count,) = [
        point.value  # type: ignore[union-attr]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "mcptap.recording.interactions"
        for point in metric.data.data_points
    ]
    return int(count)


def test_metrics_go_to_the_applications_meter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: provider)

    async def work() -> None:
        tap = create_tap(upstream(), cassette=tmp_path / "rec.jsonl")
        async with Client(tap, mode="legacy") as client:
            await client.call_tool_mcp("fail", {})

    asyncio.run(work())
    data = reader.get_metrics_data()
    assert data is not None
    found = {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name.startswith(("mcp.", "mcptap."))
    }
    assert {
        "mcp.server.operation.duration",
        "mcp.client.operation.duration",
        "mcp.server.session.duration",
        "mcp.client.session.duration",
        "mcptap.recording.interactions",
        "mcptap.recording.size",
        "mcptap.recording.gaps",
        "mcptap.upstream.reconnects",
    } == set(found)
    points: dict[str, list[Any]] = {name: list(metric.data.data_points) for name, metric in found.items()}
    (interactions,) = points["mcptap.recording.interactions"]
    assert interactions.value == 2
    (size,) = points["mcptap.recording.size"]
    assert size.value == (tmp_path / "rec.jsonl").stat().st_size - len(
        (tmp_path / "rec.jsonl").read_bytes().splitlines(keepends=True)[0]
    )
    calls = [each for each in points["mcp.server.operation.duration"]
             if each.attributes["mcp.method.name"] == "tools/call"]  # fmt: skip
    assert [dict(each.attributes)["error.type"] for each in calls] == ["tool_error"]
    assert list(calls[0].explicit_bounds) == [
        0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300
    ]  # fmt: skip
    labels = set().union(*(each.attributes for each in points["mcp.client.operation.duration"]))
    assert not labels & {"mcp.session.id", "jsonrpc.request.id", "mcp.resource.uri"}
