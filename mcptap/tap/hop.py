"""The hop: every raw message of a FastMCP server goes through its middleware to a backend.

It sits outermost in the SDK's middleware list (DESIGN, decision 2), so nothing has validated, typed
or rewritten what it gets, and the SDK sends what it returns as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from fastmcp.server.context import Context
from fastmcp.server.dependencies import bind_request_context
from fastmcp.server.middleware import MiddlewareContext
from mcp.server.context import CallNext, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import x_mcp_header_map
from starlette.requests import Request

from mcptap.errors import McptapError
from mcptap.exchange import Exchange, RpcError, Session
from mcptap.model import Json
from mcptap.tap.bridge.bridge import Bridge
from mcptap.tap.channel import SdkChannel, WireError, as_result, in_wire_form, raw_error
from mcptap.tap.disturbing import Disturb
from mcptap.tap.downstream import Downstream, Downstreams
from mcptap.tap.faulting import Faulting
from mcptap.tap.headers import check_task_name, client_headers
from mcptap.tap.peer import CANCELLED
from mcptap.tap.private import App, connection_of, request_channel_of, run_chain
from mcptap.tap.stand_ins import error_stand_in, stand_in
from mcptap.tap.verbatim import answer_begun, asked_by, disturb_answer, exact_message, is_verbatim

T = TypeVar("T")


@dataclass(kw_only=True, frozen=True)
class TapContext(MiddlewareContext[Any]):
    """What a middleware in a tap gets: FastMCP's context, and the seam's exchange.

    Attributes:
        exchange: The request on its way to the backend; ``None`` for a notification.
        session: The client session.
        request: The HTTP request that it came with; ``None`` on a pipe.
        has_params: Whether the message came with params; ``message`` is an empty object where not.
    """

    exchange: Exchange | None = None
    session: Session
    request: Request | None = None
    has_params: bool = True


class Observe(Protocol):
    """Stands around everything that the clients of a tap send."""

    def request(
        self, exchange: Exchange, request: Request | None, answer: Callable[[], Awaitable[T]]
    ) -> Awaitable[T]:
        """Answer a request, which has come with an HTTP request where it has not come on a pipe."""

    def notification(
        self,
        session: Session,
        method: str,
        params: Json | None,
        request: Request | None,
        pass_on: Callable[[], Awaitable[None]],
    ) -> Awaitable[None]:
        """Pass a notification on."""


class Hop:
    """The raw middleware of a tap.

    Args:
        app: The FastMCP server.
        downstreams: The clients and their backend sessions.
        schemas: Learns the tools that go by.
        bridge: Sits before the middleware, where clients and servers of different eras may meet.
        faulting: Lets requests go wrong before all that.
        observe: Stands around that, so that it sees what the clients see.
    """

    def __init__(
        self,
        app: App,
        downstreams: Downstreams,
        schemas: SchemaBook,
        bridge: Bridge | None = None,
        faulting: Faulting | None = None,
        observe: Observe | None = None,
    ) -> None:
        self._app = app
        self._downstreams = downstreams
        self._schemas = schemas
        self._bridge = bridge
        self._faulting = faulting
        self._observe = observe

    async def __call__(self, context: ServerRequestContext[Any, Any], call_next: CallNext) -> Any:
        """Answer one message; the SDK's own handlers are never asked."""
        del call_next
        if context.request_id is None:
            await self._notification(context)
            return None
        try:
            check_task_name(context.request, context.method, context.params)
        except RpcError as error:
            raise WireError(error.error) from None
        if asked := asked_by(context.request):
            context = replace(context, request_id=asked.id)
        downstream, session = self._downstreams.find(context)
        channel, verbatim = request_channel_of(context), is_verbatim(context.request)
        exchange = Exchange(
            session=session,
            id=context.request_id,
            method=context.method,
            params=_exact_params(context),
            channel=SdkChannel(channel, verbatim=verbatim, close_stream=_stream_closer(context)),
            headers=client_headers(context.request),
            cancelled=lambda: _cancelled(channel) if asked is None else asked.cancelled,
        )

        answer = partial(self._answer, downstream, exchange, _Way(self._app, context))
        if self._faulting is not None:
            answer = partial(self._faulting.request, exchange, answer, _disturb(context, channel))
        try:
            if self._observe is None:
                result = await answer()
            else:
                result = await self._observe.request(exchange, context.request, answer)
        except RpcError as error:
            raise WireError(error_stand_in(error.error) if verbatim else error.error) from None
        if context.method == "tools/list":
            self._schemas.learn(result)
        return stand_in(result) if verbatim else result

    async def _answer(self, downstream: Downstream, exchange: Exchange, way: _Way) -> dict[str, Any]:
        if self._bridge is None:
            return await way.request(downstream, exchange)
        return as_result(await self._bridge.request(downstream, exchange, way))

    async def _notification(self, context: ServerRequestContext[Any, Any]) -> None:
        if context.method == CANCELLED:
            return  # cancels the request's own task, which tells the backend with its own id
        if context.method == "notifications/initialized":
            connection_of(context).initialized.set()
        downstream, session = self._downstreams.find(context)
        way = _Way(self._app, context)
        await self._pass_on(way, downstream, session, context.method, _exact_params(context))

    async def hear(self, address: tuple[str, int] | None, method: str, params: Json | None) -> None:
        """Pass on a notification of the modern era over HTTP, of which the SDK makes no message.

        Args:
            address: The client's host and port.
            method: Its method.
            params: Its params.
        """
        if method == CANCELLED:
            return  # there it says nothing: a request is cancelled by closing its stream
        downstream, session = self._downstreams.find_stateless(address)
        with contextlib.suppress(McptapError, MCPError):  # it has been reported
            await self._pass_on(_Way(self._app, None), downstream, session, method, params)

    async def _pass_on(
        self, way: _Way, downstream: Downstream, session: Session, method: str, params: Json | None
    ) -> None:
        if self._bridge is None:
            pass_on = partial(way.notify, downstream, session, method, params)
        else:
            pass_on = partial(self._bridge.notify, downstream, session, method, params, way)
        if self._observe is None:
            await pass_on()
        else:
            await self._observe.notification(session, method, params, way.http, pass_on)


class _Way:
    """The way of one message of a client through the FastMCP middleware to the backend.

    A bridge sends other messages along it than the client's own; all else that a middleware sees of the
    client is of the client's message.
    """

    def __init__(self, app: App, context: ServerRequestContext[Any, Any] | None) -> None:
        self._app = app
        self._context = context

    @property
    def http(self) -> Any:
        return None if self._context is None else self._context.request

    async def request(self, host: Downstream, exchange: Exchange) -> dict[str, Any]:
        async def innermost(middleware_context: MiddlewareContext[Any]) -> dict[str, Any]:
            exchange.params = _edited(middleware_context.message, exchange.params)
            return await ask_backend(host, exchange)

        message = TapContext(
            message=exchange.params if exchange.params is not None else {},
            type="request",
            method=exchange.method,
            exchange=exchange,
            session=exchange.session,
            request=self.http,
        )
        try:
            return as_result(await self._run(message, innermost))
        except WireError as error:
            raise error.kind(error.raw) from None
        except MCPError as error:
            raise RpcError(raw_error(error)) from None

    async def notify(self, host: Downstream, session: Session, method: str, params: Json | None) -> None:
        async def innermost(middleware_context: MiddlewareContext[Any]) -> None:
            edited = _edited(middleware_context.message, params)
            backend_session = await host.backend_session(session)
            await backend_session.notify(method, edited)

        message = TapContext(
            message=params if params is not None else {},
            type="notification",
            method=method,
            session=session,
            request=self.http,
            has_params=params is not None,
        )
        await self._run(message, innermost)

    async def _run(self, message: TapContext, innermost: Any) -> Any:
        """Run the FastMCP middleware around the backend, in the context that FastMCP gives it.

        That context costs as much as all else here, and so does FastMCP's way of running them: without a
        middleware that isn't mcptap's own there is neither.
        """
        middleware = self._app.middleware
        if not any(getattr(each, "wants_fastmcp_context", True) for each in middleware):
            for each in reversed(middleware):
                innermost = partial(each, call_next=innermost)
            return await innermost(message)
        if self._context is None:
            return await run_chain(self._app, message, innermost)
        params = cast("Any", message.message)
        context = replace(self._context, method=str(message.method), params=params)
        with bind_request_context(context):
            async with Context(fastmcp=self._app, session=context.session) as fastmcp_context:
                message = replace(message, fastmcp_context=fastmcp_context)
                return await run_chain(self._app, message, innermost)


async def ask_backend(downstream: Downstream, exchange: Exchange) -> dict[str, Any]:
    """Ask the backend, with its errors in the form that FastMCP's middleware knows.

    Raises:
        WireError: The error of the backend, or why it could not be asked.
    """
    with in_wire_form():
        backend_session = await downstream.backend_session(exchange.session)
        return as_result(await backend_session.request(exchange))


class SchemaBook:
    """The input schemas of the tools that were seen in ``tools/list``, where headers depend on them."""

    def __init__(self) -> None:
        self._schemas: dict[str, Mapping[str, Any]] = {}

    def learn(self, result: Json) -> None:
        """Take the tools of a ``tools/list`` result whose arguments are mirrored in headers."""
        tools = result.get("tools")
        for tool in tools if isinstance(tools, list) else []:
            schema = tool.get("inputSchema") if isinstance(tool, dict) else None
            if isinstance(schema, dict) and isinstance(tool.get("name"), str) and x_mcp_header_map(schema):
                self._schemas[tool["name"]] = schema

    def find(self, tool: str) -> Mapping[str, Any] | None:
        """The schema of a tool, or ``None`` where there is nothing to validate."""
        return self._schemas.get(tool)


def _edited(message: Any, params: Json | None) -> Json | None:
    """The params as middleware left them; absent params stay absent."""
    return None if params is None and not message else message


def _exact_params(context: ServerRequestContext[Any, Any]) -> Json | None:
    """The params as they came, where the transport's own parser may have changed their spelling."""
    message = exact_message(context.request)
    exact = message.get("params") if message and message.get("method") == context.method else None
    return exact if isinstance(exact, dict) else context.params


def _stream_closer(context: ServerRequestContext[Any, Any]) -> Callable[[], Awaitable[None]] | None:
    """Closes the stream of a request, where the client can come back to it."""
    close = context.close_sse_stream
    if close is None:
        return None

    async def close_stream() -> None:
        # The client comes back with the id of the stream's first event, so that must be out.
        await answer_begun(context.request)
        await close()

    return close_stream


def _disturb(context: ServerRequestContext[Any, Any], channel: Any) -> Disturb | None:
    """What reaches below the messages of the transport that a request came on."""
    if hasattr(channel, "disturb"):
        return cast("Disturb", channel.disturb)
    return partial(disturb_answer, context.request) if is_verbatim(context.request) else None


def _cancelled(channel: Any) -> Json | None:
    """The params of the cancel notification; the SDK's HTTP front says only that there was one."""
    if hasattr(channel, "cancelled"):
        return cast("Json | None", channel.cancelled)
    return {} if channel.cancel_requested.is_set() else None
