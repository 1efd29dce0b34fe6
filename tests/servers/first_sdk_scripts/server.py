"""A server on ``mcp`` 1.x; what it offers has the names of the wire server's.

    python server.py stdio|network

``stdio`` serves on stdin and stdout. ``network`` serves ``/mcp``, ``/sse`` and ``/ws`` on a free port
that ``{"ready": PORT}`` on stdout tells.
"""

import json
import socket
import sys
import warnings

import uvicorn
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.websocket import websocket_server
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

warnings.simplefilter("ignore", DeprecationWarning)
server = FastMCP("first", instructions="Say anything.", log_level="CRITICAL")


class Person(BaseModel):
    name: str


@server.tool()
def echo(text: str) -> dict[str, str]:
    return {"text": text}


@server.tool()
async def progress(n: int, context: Context) -> str:
    for number in range(1, n + 1):
        await context.report_progress(number, n, f"step {number}")
    return f"sent {n}"


@server.tool()
async def log(n: int, context: Context) -> str:
    for number in range(1, n + 1):
        await context.info(f"number {number}")
    return f"sent {n}"


@server.tool()
async def ask(kind: str, context: Context) -> str:
    answer = await context.elicit("Who are you?", Person)
    return f"{kind}: {answer.action} {answer.data.name if answer.action == 'accept' else None}"


@server.tool()
def tool_error() -> str:
    raise ValueError("it failed")


@server.resource("wire://text")
def text() -> str:
    return "text"


@server.prompt()
def greet(who: str) -> str:
    return f"Hello {who}"


async def websocket(scope, receive, send):
    async with websocket_server(scope, receive, send) as (read, write):
        lowlevel = server._mcp_server
        await lowlevel.run(read, write, lowlevel.create_initialization_options())


def main() -> None:
    if sys.argv[1] == "stdio":
        server.run()
        return
    over_http = server.streamable_http_app()
    routes = [*over_http.routes, *server.sse_app().routes]

    class Endpoint:
        async def __call__(self, scope, receive, send):
            await websocket(scope, receive, send)

    app = Starlette(
        routes=[*routes, WebSocketRoute("/ws", Endpoint())],
        lifespan=lambda app: server.session_manager.run(),
    )
    taken = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"ready": taken.getsockname()[1]}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[taken])


main()
