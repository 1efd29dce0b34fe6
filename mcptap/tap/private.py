"""Every private name of FastMCP and the SDK that mcptap uses, each with a contract test.

``tests/tap/test_private.py`` fails loudly when one of them moves; the requirement is fenced to the
minor version of FastMCP that they were read in (DESIGN, decision 4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, TypeAlias, cast

from fastmcp import Context, FastMCP
from fastmcp.server.middleware import MiddlewareContext
from jsonschema.protocols import Validator
from mcp import ClientSession
from mcp.server.connection import Connection
from mcp.server.context import ServerMiddleware, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared import _otel as sdk_telemetry
from mcp.shared.dispatcher import DispatchContext

from mcptap import codec

App: TypeAlias = FastMCP[Any]
CallNext: TypeAlias = Callable[[Any], Awaitable[Any]]


def lowlevel_of(app: App) -> Server[Any]:
    """The SDK server under a FastMCP server."""
    return cast("Server[Any]", app._mcp_server)  # noqa: SLF001


def insert_outermost(app: App, middleware: Callable[[Any, Any], Awaitable[Any]]) -> None:
    """Put a raw middleware before all others of the SDK server."""
    lowlevel_of(app).middleware.insert(0, cast("ServerMiddleware[Any]", middleware))


def replace_run(app: App, run: Callable[..., Awaitable[None]]) -> None:
    """Have stream transports (in-memory, legacy SSE) served by ``run`` instead of the SDK's loop.

    The SDK's loop fixes the era on the first frame, which a client's fallback doesn't survive.
    """
    cast("Any", lowlevel_of(app)).run = run


def replace_schema_lookup(app: App, lookup: Callable[[str], Mapping[str, Any] | None]) -> None:
    """Answer the modern HTTP entry's question for a tool's schema, which else is a ``tools/list``."""
    lowlevel_of(app).get_tool_input_schema = lookup


def lifespan_of(app: App) -> AbstractAsyncContextManager[None]:
    """FastMCP's lifespan, reference-counted."""
    return app._lifespan_manager()  # noqa: SLF001


async def run_chain(app: App, context: MiddlewareContext[Any], innermost: CallNext) -> Any:
    """Run the server's FastMCP middleware once around ``innermost``, with raw messages."""
    return await app._run_middleware(context, cast("Any", innermost), phase="outer")  # noqa: SLF001


def raw_context_of(context: Context) -> ServerRequestContext[Any, Any] | None:
    """The SDK's raw context behind the one that FastMCP's middleware gets."""
    request = context.request_context
    return None if request is None else request._srctx  # noqa: SLF001


def connection_of(context: ServerRequestContext[Any, Any]) -> Connection:
    """The client's connection behind a request."""
    return context.session._connection  # noqa: SLF001


def request_channel_of(context: ServerRequestContext[Any, Any]) -> DispatchContext[Any]:
    """The way back to the client inside a request."""
    return context.session._request_outbound  # noqa: SLF001


def replace_request_channel(context: ServerRequestContext[Any, Any], channel: DispatchContext[Any]) -> None:
    """Have everything that a handler sends inside a request go through ``channel``."""
    context.session._request_outbound = channel  # noqa: SLF001


def replace_sdk_tracer(replace: Callable[[Any], Any]) -> None:
    """Put something in the place of the tracer that the SDK opens its own spans with.

    A parent that is not sampled would keep most samplers from recording them, but not ``always_on``.
    """
    sdk_telemetry._tracer = replace(sdk_telemetry._tracer)  # noqa: SLF001


class FrugalClientSession(ClientSession):
    """A client session that compiles each tool's output schema once a process, not once a session.

    In a test that calls one tool, that is half of the client's time. The results are held against the
    schemas as ever; a compiled validator has no state.
    """

    _compiled: ClassVar[dict[bytes, Validator]] = {}

    def _output_schema_validator(self, name: str, output_schema: dict[str, Any]) -> Validator:
        schema = codec.dumps(output_schema)
        if schema not in self._compiled:
            self._compiled[schema] = super()._output_schema_validator(name, output_schema)
        return self._compiled[schema]
