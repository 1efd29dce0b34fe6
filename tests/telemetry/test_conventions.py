"""Every name and requirement level of the conventions, held against what a tap emits.

The tables are those of "Semantic conventions for Model Context Protocol" (open-telemetry/
semantic-conventions-genai, docs/gen-ai/mcp.md), Spans and Metrics; the names are also held against the
constants of the package ``opentelemetry-semantic-conventions``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv._incubating.attributes import (
    client_attributes,
    error_attributes,
    gen_ai_attributes,
    jsonrpc_attributes,
    mcp_attributes,
    network_attributes,
    rpc_attributes,
    server_attributes,
)
from opentelemetry.semconv._incubating.metrics import mcp_metrics
from opentelemetry.trace import SpanKind

from mcptap.exchange import RpcError
from mcptap.model import Target
from mcptap.telemetry import conventions as names
from mcptap.telemetry.application import ApplicationTracing
from mcptap.telemetry.direct import DirectSpan, DirectTracing
from mcptap.telemetry.durations import Counted
from mcptap.telemetry.metrics import Instruments
from mcptap.telemetry.operation import Server, connection_attributes, operation_of, server_of
from mcptap.telemetry.private import add_to_collected
from mcptap.telemetry.span import Tracing
from mcptap.telemetry.telemetry import Telemetry

PACKAGE = {
    names.METHOD: mcp_attributes.MCP_METHOD_NAME,
    names.PROTOCOL_VERSION: mcp_attributes.MCP_PROTOCOL_VERSION,
    names.SESSION_ID: mcp_attributes.MCP_SESSION_ID,
    names.RESOURCE_URI: mcp_attributes.MCP_RESOURCE_URI,
    names.REQUEST_ID: jsonrpc_attributes.JSONRPC_REQUEST_ID,
    names.OPERATION: gen_ai_attributes.GEN_AI_OPERATION_NAME,
    names.TOOL: gen_ai_attributes.GEN_AI_TOOL_NAME,
    names.PROMPT: gen_ai_attributes.GEN_AI_PROMPT_NAME,
    names.TOOL_ARGUMENTS: gen_ai_attributes.GEN_AI_TOOL_CALL_ARGUMENTS,
    names.TOOL_RESULT: gen_ai_attributes.GEN_AI_TOOL_CALL_RESULT,
    names.ERROR_TYPE: error_attributes.ERROR_TYPE,
    names.STATUS_CODE: rpc_attributes.RPC_RESPONSE_STATUS_CODE,
    names.NETWORK_TRANSPORT: network_attributes.NETWORK_TRANSPORT,
    names.NETWORK_PROTOCOL: network_attributes.NETWORK_PROTOCOL_NAME,
    names.NETWORK_PROTOCOL_VERSION: network_attributes.NETWORK_PROTOCOL_VERSION,
    names.CLIENT_ADDRESS: client_attributes.CLIENT_ADDRESS,
    names.CLIENT_PORT: client_attributes.CLIENT_PORT,
    names.SERVER_ADDRESS: server_attributes.SERVER_ADDRESS,
    names.SERVER_PORT: server_attributes.SERVER_PORT,
    names.SERVER_OPERATION_DURATION: mcp_metrics.MCP_SERVER_OPERATION_DURATION,
    names.CLIENT_OPERATION_DURATION: mcp_metrics.MCP_CLIENT_OPERATION_DURATION,
    names.SERVER_SESSION_DURATION: mcp_metrics.MCP_SERVER_SESSION_DURATION,
    names.CLIENT_SESSION_DURATION: mcp_metrics.MCP_CLIENT_SESSION_DURATION,
}

Connection: TypeAlias = tuple[str | None, str, str | None, Server | None]
HTTP: Connection = ("2026-07-28", "http", "1.1", ("example.com", 443))
PIPE: Connection = ("2025-11-25", "stdio", None, None)
CALL = {"name": "add", "arguments": {"a": 1}}
NETWORK = {
    "mcp.protocol.version": "2026-07-28",
    "network.transport": "tcp",
    "network.protocol.name": "http",
    "network.protocol.version": "1.1",
    "server.address": "example.com",
    "server.port": 443,
}
PIPED = {"mcp.protocol.version": "2025-11-25", "network.transport": "pipe"}
TOOL = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "add", "gen_ai.operation.name": "execute_tool"}
ADD: dict[str, Any] = {**TOOL, **PIPED, "jsonrpc.request.id": "7"}

EMITTED: list[tuple[str, SpanKind, str, Any, Connection, Any, str, dict[str, Any], str]] = [
    # what, kind, method, params, connection, outcome, span name, attributes, status
    ("a tool call", SpanKind.SERVER, "tools/call", CALL, PIPE, {}, "tools/call add", ADD, "UNSET"),
    ("a tool call over HTTP", SpanKind.CLIENT, "tools/call", CALL, HTTP, {}, "tools/call add",
     {**TOOL, **NETWORK, "jsonrpc.request.id": "7"}, "UNSET"),
    ("a tool error", SpanKind.SERVER, "tools/call", CALL, PIPE, {"isError": True}, "tools/call add",
     {**ADD, "error.type": "tool_error"}, "ERROR"),
    ("isError of another method", SpanKind.SERVER, "x/y", None, PIPE, {"isError": True}, "x/y",
     {"mcp.method.name": "x/y", **PIPED, "jsonrpc.request.id": "7"}, "UNSET"),
    ("a prompt", SpanKind.SERVER, "prompts/get", {"name": "p"}, PIPE, {}, "prompts/get p",
     {"mcp.method.name": "prompts/get", "gen_ai.prompt.name": "p", **PIPED, "jsonrpc.request.id": "7"},
     "UNSET"),
    ("a resource", SpanKind.SERVER, "resources/read", {"uri": "a://b"}, PIPE, {}, "resources/read",
     {"mcp.method.name": "resources/read", "mcp.resource.uri": "a://b", **PIPED, "jsonrpc.request.id": "7"},
     "UNSET"),
    *[
        (f"{code} on the server side", SpanKind.SERVER, "tools/call", CALL, PIPE, code, "tools/call add",
         {**ADD, "rpc.response.status_code": str(code)}, "UNSET")
        for code in (-32700, -32600, -32601, -32602, -32002)
    ],
    *[
        (f"{code} on the server side", SpanKind.SERVER, "tools/call", CALL, PIPE, code, "tools/call add",
         {**ADD, "rpc.response.status_code": str(code), "error.type": str(code)}, "ERROR")
        for code in (-32603, -32000, -32004, -32099, 42)
    ],
    *[
        (f"{code} on the client side", SpanKind.CLIENT, "tools/call", CALL, PIPE, code, "tools/call add",
         {**ADD, "rpc.response.status_code": str(code), "error.type": str(code)}, "ERROR")
        for code in (-32700, -32600, -32601, -32602, -32002, -32603, 42)
    ],
    ("a code that is none", SpanKind.CLIENT, "tools/call", CALL, PIPE, {"an": "object"}, "tools/call add",
     {**ADD, "error.type": "_OTHER"}, "ERROR"),
    ("a name that is no text", SpanKind.SERVER, "tools/call", {"name": 7}, PIPE, {}, "tools/call",
     {"mcp.method.name": "tools/call", "gen_ai.operation.name": "execute_tool", **PIPED,
      "jsonrpc.request.id": "7"}, "UNSET"),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs"), PACKAGE.items())
def test_names_are_those_of_the_semantic_conventions_package(ours: str, theirs: str) -> None:
    assert ours == theirs


@pytest.mark.parametrize(
    ("kind", "method", "params", "connection", "outcome", "name", "attributes", "status"),
    [row[1:] for row in EMITTED],
    ids=[row[0] for row in EMITTED],
)
def test_spans_and_metrics_have_what_the_conventions_require_and_nothing_else(
    kind: SpanKind,
    method: str,
    params: Any,
    connection: Connection,
    outcome: Any,
    name: str,
    attributes: dict[str, Any],
    status: str,
) -> None:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instruments = Instruments(MeterProvider([reader], shutdown_on_exit=False).get_meter("test"))
    telemetry = Telemetry(ApplicationTracing(provider.get_tracer("test")), instruments)
    operation = operation_of(method, params, *connection)
    begun = telemetry.begin(kind, operation, params, Context(), request_id="7")
    if isinstance(outcome, dict) and "an" not in outcome:
        begun.end(result=outcome)
    else:
        begun.raised(RpcError({"code": outcome, "message": "went wrong"}), "disconnected")
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind, span.status.status_code.name) == (name, kind, status)
    assert dict(span.attributes or {}) == attributes
    failed = status == "ERROR" and attributes["error.type"] != "tool_error"
    assert span.status.description == ("went wrong" if failed else None)
    data = reader.get_metrics_data()
    assert data is not None
    ((metric,),) = [scope.metrics for each in data.resource_metrics for scope in each.scope_metrics]
    assert metric.name == f"mcp.{kind.name.lower()}.operation.duration"
    assert metric.unit == "s"
    (point,) = metric.data.data_points
    left_out = {"jsonrpc.request.id", "mcp.resource.uri"}
    assert point.attributes == {key: value for key, value in attributes.items() if key not in left_out}


@pytest.mark.parametrize("ours", [True, False], ids=["our own span", "an application's span"])
def test_an_initialize_says_the_version_that_it_has_led_to(*, ours: bool) -> None:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    ended: list[DirectSpan] = []
    tracing: Tracing = (
        DirectTracing(ended.append, Resource({}), InstrumentationScope("test"), DEFAULT_ON)
        if ours
        else ApplicationTracing(provider.get_tracer("test"))
    )
    instruments = Instruments(MeterProvider([reader], shutdown_on_exit=False).get_meter("test"))
    before, after = (operation_of("initialize", {}, version, "stdio") for version in (None, "2025-11-25"))
    begun = Telemetry(tracing, instruments).begin(SpanKind.SERVER, before, {}, Context())
    begun.operation = after
    begun.end(result={"protocolVersion": "2025-11-25"})
    (span,) = [each.readable() for each in ended] if ours else exporter.get_finished_spans()
    assert dict(span.attributes or {}) == {"mcp.method.name": "initialize", **PIPED}
    data: Any = reader.get_metrics_data()
    ((metric,),) = [scope.metrics for each in data.resource_metrics for scope in each.scope_metrics]
    assert [dict(point.attributes) for point in metric.data.data_points] == [dict(span.attributes or {})]


@pytest.mark.parametrize("ours", [True, False], ids=["counted by mcptap", "of an application's meter"])
@pytest.mark.parametrize("side", ["server", "client"])
@pytest.mark.parametrize("of", ["operation", "session"])
def test_the_four_histograms_have_the_boundaries_and_the_unit_of_the_conventions(
    of: str, side: str, *, ours: bool
) -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test")
    counted = Counted(Resource({}), InstrumentationScope("test")) if ours else None
    if counted is not None:
        add_to_collected(reader, counted.added_to)
    histogram = getattr(Instruments(meter, counted), f"{side}_{of}")
    histogram.record(0.3, operation_of("ping", None, *PIPE))
    data: Any = reader.get_metrics_data()
    ((metric,),) = [scope.metrics for each in data.resource_metrics for scope in each.scope_metrics]
    assert (metric.name, metric.unit) == (f"mcp.{side}.{of}.duration", "s")
    (point,) = metric.data.data_points
    assert point.explicit_bounds == (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
    assert point.bucket_counts[5] == point.count == 1


def test_content_is_shown_only_where_it_is_asked_for_and_only_redacted() -> None:
    params = {"name": "add", "arguments": {"password": "hunter2", "a": 1}}
    shown = {}
    for capture in (False, True):
        exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        telemetry = Telemetry(
            ApplicationTracing(provider.get_tracer("test")),
            capture_content=capture,
            redact=lambda value: {**value, "arguments": {"password": "gone", "a": 1}},
        )
        operation = operation_of("tools/call", params, *PIPE)
        telemetry.begin(SpanKind.SERVER, operation, params, Context()).end(result={"content": []})
        shown[capture] = dict(exporter.get_finished_spans()[0].attributes or {})
    assert set(shown[True]) - set(shown[False]) == {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"}
    assert shown[True]["gen_ai.tool.call.arguments"] == '{"password":"gone","a":1}'


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("ws://example.com/ws", ("example.com", 80)),
        ("wss://example.com/ws", ("example.com", 443)),
        ("ws://example.com:9/ws", ("example.com", 9)),
    ],
)
def test_a_websocket_has_a_protocol_and_a_server_of_its_own(url: str, server: Server) -> None:
    assert server_of(Target("x", "ws", (url,))) == server
    assert connection_attributes(None, "ws")["network.protocol.name"] == "websocket"
