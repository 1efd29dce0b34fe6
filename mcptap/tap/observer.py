"""Recording a FastMCP server that is no tap: its raw messages are looked at where they come in.

A FastMCP middleware sees typed results, which are not what the client gets. So with the first message
that it sees, the observer puts itself outermost in that server's raw middleware; that first message
itself is recorded from its typed result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, cast
from weakref import WeakSet

from fastmcp.prompts.base import Prompt, PromptResult
from fastmcp.resources.base import Resource, ResourceResult
from fastmcp.resources.template import ResourceTemplate
from fastmcp.server.middleware import CallNext, MiddlewareContext
from fastmcp.tools.base import Tool, ToolResult
from mcp.server.context import CallNext as RawCallNext
from mcp.server.context import ServerRequestContext
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
)
from pydantic import BaseModel, ValidationError

from mcptap.exchange import Channel, Exchange, RpcError, Session
from mcptap.model import Json
from mcptap.protocol import client_of
from mcptap.recorder import Recorder
from mcptap.tap.channel import NoChannel, SdkChannel, WireError
from mcptap.tap.headers import era_of_message
from mcptap.tap.private import (
    App,
    connection_of,
    insert_outermost,
    raw_context_of,
    replace_request_channel,
    request_channel_of,
)
from mcptap.tap.recording import hear, record_request, reported
from mcptap.telemetry.elsewhere import Elsewhere, within_span

_STATE: Final = "mcptap-observed"
_INVALID_PARAMS: Final = -32602
_INTERNAL_ERROR: Final = -32603
_observed: ContextVar[bool] = ContextVar("mcptap_observed", default=False)


class Observer:
    """Looks at the messages of the FastMCP servers that a `TapMiddleware` was added to.

    Args:
        recorder: Where they go.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._telemetry = Elsewhere(recorder)
        self._servers: WeakSet[App] = WeakSet()
        self._stateless: dict[str, Session] = {}

    async def around(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Take a message as FastMCP's middleware sees it; it is recorded unless it is already."""
        fastmcp_context = context.fastmcp_context
        raw = raw_context_of(fastmcp_context) if fastmcp_context is not None else None
        if raw is None or fastmcp_context is None or _observed.get():
            return await call_next(context)
        if fastmcp_context.fastmcp not in self._servers:
            self._servers.add(fastmcp_context.fastmcp)
            insert_outermost(fastmcp_context.fastmcp, self.observe)

        async def rest(_: ServerRequestContext[Any, Any]) -> Any:
            return await call_next(context)

        return await self.observe(raw, rest)

    async def observe(self, context: ServerRequestContext[Any, Any], call_next: RawCallNext) -> Any:
        """Take a message as the SDK's middleware sees it."""
        token = _observed.set(True)
        try:
            session = self._session(context)
            if context.request_id is None:
                with reported():
                    hear(self._recorder, session)
                    if context.method != "notifications/cancelled":
                        self._recorder.message(session, "client", context.method, context.params)
                return await self._telemetry.around_notification(context, session, call_next)
            return await self._request(context, session, call_next)
        finally:
            _observed.reset(token)

    async def _request(
        self, context: ServerRequestContext[Any, Any], session: Session, call_next: RawCallNext
    ) -> Any:
        inner = request_channel_of(context)
        exchange = Exchange(
            session=session,
            id=context.request_id,
            method=context.method,
            params=context.params,
            channel=SdkChannel(inner),
            cancelled=lambda: {} if inner.cancel_requested.is_set() else None,
        )
        replace_request_channel(context, cast("Any", _Through(inner, lambda: exchange.channel)))

        async def answer() -> Any:
            exchange.sent_at = time.perf_counter()
            try:
                return await call_next(within_span(context, exchange))
            except ValidationError as error:
                raise WireError(
                    {"code": _INVALID_PARAMS, "message": "Invalid request parameters", "data": ""}
                ) from error
            except MCPError:
                raise
            except Exception as error:
                # What the SDK makes of it: the message in the handshake era, nothing in the modern one.
                modern = session.era == "modern"
                code, message = (_INTERNAL_ERROR, "Internal server error") if modern else (0, str(error))
                raise WireError({"code": code, "message": message}) from error
            finally:
                exchange.answered_at = time.perf_counter()

        def to_wire(result: Any) -> Json:
            return _wire_form(context.params, result)

        return await self._telemetry.around_request(
            exchange,
            context.request,
            lambda: record_request(self._recorder, exchange, answer, to_wire),
            to_wire,
        )

    def _session(self, context: ServerRequestContext[Any, Any]) -> Session:
        """The session of a message: of its connection, or of its client where there is none that lasts."""
        connection = connection_of(context)
        era = era_of_message(context.request, context.method, context.params)
        transport = "http" if context.request is not None else "memory"
        client = client_of(context.method, context.params)
        if era == "modern":
            known = self._stateless.get(str(client))
            if known is None or context.method == "server/discover":
                known = self._stateless[str(client)] = Session(era, transport, client, NoChannel())
            return known
        found = cast("Session | None", connection.state.get(_STATE))
        if found is None:
            session = Session(era, transport, client, SdkChannel(connection.outbound))
            connection.outbound = cast("Any", _Through(connection.outbound, lambda: session.channel))
            found = connection.state[_STATE] = session
        return found


class _Through:
    """Something of the SDK's that sends to the client, with what it sends going through a channel."""

    def __init__(self, inner: Any, channel: Callable[[], Channel]) -> None:
        self._inner = inner
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        del opts
        await self._channel().notify(method, params)

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        del opts
        try:
            return cast("dict[str, Any]", await self._channel().ask(method, params))
        except RpcError as error:
            raise WireError(error.error) from None


def _wire_form(params: Json | None, result: Any) -> Json:
    """A result as the SDK sends it: from the wire itself, or from what FastMCP's middleware sees."""
    typed = _sdk_result(params, result)
    if isinstance(typed, BaseModel):
        return typed.model_dump(by_alias=True, mode="json", exclude_none=True)
    return typed if isinstance(typed, Mapping) else {}


def _sdk_result(params: Json | None, result: Any) -> Any:
    """The SDK's form of a result; only the first message of a server comes as anything else."""
    match result:
        case ToolResult():
            content = result.to_mcp_result()
            if isinstance(content, tuple):
                return CallToolResult(content=content[0], structured_content=content[1])
            return CallToolResult(content=content) if isinstance(content, list) else content
        case ResourceResult():
            return result.to_mcp_result(str((params or {}).get("uri")))
        case PromptResult():
            return result.to_mcp_prompt_result()
        case [Tool(), *_]:
            return ListToolsResult(tools=[tool.to_mcp_tool() for tool in result])
        case [Resource(), *_]:
            return ListResourcesResult(resources=[resource.to_mcp_resource() for resource in result])
        case [ResourceTemplate(), *_]:
            return ListResourceTemplatesResult(resource_templates=[each.to_mcp_template() for each in result])
        case [Prompt(), *_]:
            return ListPromptsResult(prompts=[prompt.to_mcp_prompt() for prompt in result])
        case _:
            return result
