"""One contract a private name: each fails loudly when FastMCP or the SDK moves it (DESIGN, decision 4)."""

from __future__ import annotations

import inspect
from typing import Any

import mcp_types
import pytest
from fastmcp import Client, FastMCP
from fastmcp.server.middleware import Middleware, MiddlewareContext
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop
from mcp.shared import _otel
from mcp.shared.inbound import MCP_PARAM_HEADER_PREFIX, MCP_PROTOCOL_VERSION_HEADER, NAME_BEARING_METHODS
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcptap import protocol
from mcptap.tap import private
from mcptap.tap.in_process import InProcess


def test_a_fastmcp_server_has_an_sdk_server_with_a_middleware_list() -> None:
    app: FastMCP[Any] = FastMCP("contract")
    lowlevel = private.lowlevel_of(app)
    assert isinstance(lowlevel, Server)
    before = list(lowlevel.middleware)

    async def raw(context: Any, call_next: Any) -> Any:
        return await call_next(context)

    private.insert_outermost(app, raw)
    assert lowlevel.middleware == [raw, *before]


async def _exchange(app: FastMCP[Any]) -> None:
    async with Client(app, mode="legacy") as client:
        await client.ping()


@pytest.mark.anyio
async def test_the_outermost_raw_middleware_sees_raw_messages_and_may_answer_them() -> None:
    app: FastMCP[Any] = FastMCP("contract")
    seen: list[ServerRequestContext[Any, Any]] = []

    async def raw(context: ServerRequestContext[Any, Any], call_next: Any) -> Any:
        seen.append(context)
        if context.method == "ping":
            return {"unknown": 1.5}
        return await call_next(context)

    private.insert_outermost(app, raw)
    await _exchange(app)
    assert [context.method for context in seen] == ["initialize", "notifications/initialized", "ping"]
    assert isinstance(seen[0].params, dict)
    assert seen[1].request_id is None


@pytest.mark.anyio
async def test_a_request_leads_to_its_connection_and_its_channel() -> None:
    app: FastMCP[Any] = FastMCP("contract")
    found: list[tuple[Any, Any]] = []

    async def raw(context: ServerRequestContext[Any, Any], call_next: Any) -> Any:
        found.append((private.connection_of(context), private.request_channel_of(context)))
        return await call_next(context)

    private.insert_outermost(app, raw)
    await _exchange(app)
    connection, channel = found[-1]
    assert connection.state == {}
    assert hasattr(connection, "exit_stack")
    assert {connection for connection, _ in found} == {connection}
    assert inspect.iscoroutinefunction(channel.notify)
    assert inspect.iscoroutinefunction(channel.send_raw_request)
    assert not channel.cancel_requested.is_set()


@pytest.mark.anyio
async def test_what_a_handler_sends_goes_through_the_replaced_channel() -> None:
    app: FastMCP[Any] = FastMCP("contract")
    sent: list[str] = []

    class Channel:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        async def notify(self, method: str, params: Any, opts: Any = None) -> None:
            sent.append(method)
            await self.inner.notify(method, params, opts)

    async def raw(context: ServerRequestContext[Any, Any], call_next: Any) -> Any:
        inner = private.request_channel_of(context)
        private.replace_request_channel(context, Channel(inner))
        return await call_next(context)

    private.insert_outermost(app, raw)

    @app.tool
    async def report(context: Any = None) -> str:
        from fastmcp.server.dependencies import get_context  # noqa: PLC0415 - inside the request

        await get_context().report_progress(1, 2)
        return "done"

    async with Client(app, mode="legacy") as client:
        await client.call_tool("report")
    assert sent == ["notifications/progress"]


@pytest.mark.anyio
async def test_the_middleware_chain_runs_once_around_raw_messages() -> None:
    app: FastMCP[Any] = FastMCP("contract", dereference_schemas=False)
    seen: list[str] = []

    class Witness(Middleware):
        async def on_message(self, context: MiddlewareContext[Any], call_next: Any) -> Any:
            seen.append(f"message {context.method}")
            return await call_next(context)

        async def on_request(self, context: MiddlewareContext[Any], call_next: Any) -> Any:
            seen.append(f"request {context.method}")
            return await call_next(context)

        async def on_call_tool(self, context: MiddlewareContext[Any], call_next: Any) -> Any:
            raise AssertionError("a typed hook must not run on raw messages")

    app.add_middleware(Witness())
    context: MiddlewareContext[Any] = MiddlewareContext(message={"name": "x"}, method="tools/call")

    async def innermost(context: MiddlewareContext[Any]) -> Any:
        return {"raw": context.message}

    assert await private.run_chain(app, context, innermost) == {"raw": {"name": "x"}}
    assert seen == ["message tools/call", "request tools/call"]


@pytest.mark.anyio
async def test_the_lifespan_can_be_held_by_more_than_one() -> None:
    entered: list[str] = []

    from contextlib import asynccontextmanager  # noqa: PLC0415 - only here

    @asynccontextmanager
    async def lifespan(app: FastMCP[Any]) -> Any:
        entered.append("in")
        yield {}
        entered.append("out")

    app: FastMCP[Any] = FastMCP("contract", lifespan=lifespan)
    async with private.lifespan_of(app), private.lifespan_of(app):
        assert entered == ["in"]
    assert entered == ["in", "out"]


@pytest.mark.anyio
async def test_stream_transports_are_served_by_the_run_of_the_sdk_server() -> None:
    app: FastMCP[Any] = FastMCP("contract")
    called: list[int] = []

    async def run(read: Any, write: Any, *_: Any, **__: Any) -> None:
        called.append(1)
        await serve_dual_era_loop(private.lowlevel_of(app), read, write, lifespan_state={})

    private.replace_run(app, run)
    await _exchange(app)
    assert called == [1]


def test_the_modern_http_entry_asks_the_schema_lookup() -> None:
    app: FastMCP[Any] = FastMCP("contract")
    assert private.lowlevel_of(app).get_tool_input_schema is None
    private.replace_schema_lookup(app, lambda name: {"title": name})
    lookup = private.lowlevel_of(app).get_tool_input_schema
    assert lookup is not None
    assert lookup("x") == {"title": "x"}
    from mcp.server import _streamable_http_modern  # noqa: PLC0415 - private, like its only use here

    assert "get_tool_input_schema" in inspect.getsource(_streamable_http_modern)


@pytest.mark.anyio
async def test_a_middleware_leads_to_the_raw_context() -> None:
    app: FastMCP[Any] = FastMCP("contract")
    found: list[Any] = []

    class Witness(Middleware):
        async def on_message(self, context: MiddlewareContext[Any], call_next: Any) -> Any:
            assert context.fastmcp_context is not None
            found.append(private.raw_context_of(context.fastmcp_context))
            return await call_next(context)

    app.add_middleware(Witness())
    await _exchange(app)
    assert [context.method for context in found] == ["initialize", "notifications/initialized", "ping"]


def test_the_protocol_facts_are_those_of_the_sdk() -> None:
    assert tuple(MODERN_PROTOCOL_VERSIONS) == protocol.MODERN_VERSIONS
    assert protocol.VERSION_META == mcp_types.PROTOCOL_VERSION_META_KEY
    assert protocol.CLIENT_INFO_META == mcp_types.CLIENT_INFO_META_KEY
    assert protocol.CAPABILITIES_META == mcp_types.CLIENT_CAPABILITIES_META_KEY
    assert protocol.SUBSCRIPTION_META == SUBSCRIPTION_ID_META_KEY
    assert protocol.VERSION_HEADER == MCP_PROTOCOL_VERSION_HEADER
    assert MCP_PARAM_HEADER_PREFIX.lower() == protocol.PARAM_HEADER_PREFIX
    assert protocol.METHOD_NOT_FOUND == mcp_types.METHOD_NOT_FOUND
    assert protocol.HEADER_MISMATCH == mcp_types.HEADER_MISMATCH
    assert protocol.INVALID_REQUEST == mcp_types.INVALID_REQUEST
    assert protocol.UNSUPPORTED_VERSION == mcp_types.UNSUPPORTED_PROTOCOL_VERSION
    assert NAME_BEARING_METHODS.items() <= protocol.NAMED_BY.items()


@pytest.mark.anyio
async def test_the_sdk_opens_the_spans_of_its_requests_by_the_tracer_that_is_put_in_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []

    class Witness:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def start_as_current_span(self, name: str, *arguments: Any, **options: Any) -> Any:
            opened.append(name)
            return self.inner.start_as_current_span(name, *arguments, **options)

    monkeypatch.setattr(_otel, "_tracer", _otel._tracer)
    private.replace_sdk_tracer(Witness)
    async with Client(FastMCP[Any]("contract"), mode="legacy") as client:
        await client.ping()
    assert "MCP send ping" in opened


@pytest.mark.anyio
async def test_an_output_schema_is_compiled_once_a_process_and_holds_as_ever() -> None:
    schema = {"type": "object", "properties": {"result": {"type": "integer", "title": "once"}}}
    told: list[Any] = [{"result": 1}, {"result": 2}, {"result": "three"}]

    async def raw(context: ServerRequestContext[Any, Any], call_next: Any) -> Any:
        match context.method:
            case "tools/list":
                return {"tools": [{"name": "t", "inputSchema": {"type": "object"}, "outputSchema": schema}]}
            case "tools/call":
                return {"content": [], "structuredContent": told.pop(0)}
        return await call_next(context)

    app: FastMCP[Any] = FastMCP("contract")
    private.insert_outermost(app, raw)
    seen = []
    for _ in range(2):
        async with Client(InProcess(app), mode="legacy") as client:
            assert isinstance(client.session, private.FrugalClientSession)
            await client.call_tool_mcp("t", {})
            seen.append(client.session._output_schema_validator("t", schema))
    assert seen[0] is seen[1]
    async with Client(InProcess(app), mode="legacy") as client:
        with pytest.raises(RuntimeError, match="Invalid structured content"):
            await client.call_tool_mcp("t", {})
