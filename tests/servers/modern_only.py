"""A server of the modern era alone, on the SDK: it refuses ``initialize`` and asks by ``input_required``.

    python -m tests.servers.modern_only stdio|http [PORT] [--plain STATUS]

Over HTTP its endpoint is ``/mcp``, and ``{"ready": PORT}`` on stdout says which port it listens on. With
``--plain`` it knows nothing of ``initialize``: the answer is that status and a line of text, no JSON-RPC.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from typing import Annotated, Any

import uvicorn
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, ElicitationResult, Resolve
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

NOTE = "note://one"
server = MCPServer("modern-only", version="1.0.0")


class Person(BaseModel):
    name: str


async def _ask_who(context: Context[Any]) -> Elicit[Person]:
    return Elicit("Who are you?", Person)


@server.tool()
async def greet(who: Annotated[ElicitationResult[Person], Resolve(_ask_who)]) -> str:
    return f"Hello {who.data.name}" if who.action == "accept" else "Hello nobody"


@server.tool()
async def add(a: int, b: int) -> int:
    return a + b


@server.tool()
async def count(to: int, context: Context[Any]) -> str:
    for number in range(to):
        await context.report_progress(number + 1, to)
        await context.info(f"number {number + 1}")
    return "counted"


@server.tool()
async def change(context: Context[Any]) -> str:
    await context.notify_resource_updated(NOTE)
    await context.notify_tools_changed()
    return "changed"


@server.resource(NOTE)
def note() -> str:
    return "a note"


@server.prompt()
def ask(topic: str) -> str:
    return f"Tell me about {topic}"


async def _refuse_handshakes(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    if ctx.method == "initialize":
        data = {"supported": ["2026-07-28"], "requested": (ctx.params or {}).get("protocolVersion")}
        raise MCPError(-32022, "Unsupported protocol version", data)
    return await call_next(ctx)


class PlainRefusal(BaseHTTPMiddleware):
    def __init__(self, app: Any, status: int) -> None:
        super().__init__(app)
        self._status = status

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        if b'"initialize"' in await request.body():
            return PlainTextResponse("Bad request\n", self._status)
        return await call_next(request)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("transport", choices=["stdio", "http"])
    parser.add_argument("port", type=int, nargs="?", default=0)
    parser.add_argument("--plain", type=int)
    options = parser.parse_args()
    server._lowlevel_server.middleware.insert(0, _refuse_handshakes)
    if options.transport == "stdio":
        asyncio.run(server.run_stdio_async())
        return
    listening = socket.create_server(("127.0.0.1", options.port), backlog=128)
    print(json.dumps({"ready": listening.getsockname()[1]}), flush=True)
    app: Any = server.streamable_http_app()
    if options.plain:
        app.add_middleware(PlainRefusal, status=options.plain)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main()
