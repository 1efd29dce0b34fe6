"""An ordinary server, as its author would write it with FastMCP.

    python -m tests.servers.toolbox stdio
    python -m tests.servers.toolbox http|sse [PORT]

Over HTTP it listens on the loopback only, takes a free port for 0, and prints ``{"ready": PORT}`` when
it accepts connections. The endpoints are ``/mcp`` and ``/sse``.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Literal

from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult

server = FastMCP("toolbox", version="1.0", instructions="Tools to test with.")


@server.tool
def echo(text: str) -> str:
    """Give the text back."""
    return text


@server.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool
async def progress(context: Context, steps: int = 3) -> str:
    """Report progress in a number of steps."""
    for step in range(1, steps + 1):
        await context.report_progress(step, steps, f"step {step}")
    return "done"


@server.tool
async def log(context: Context, message: str = "hello") -> str:
    """Send two log messages."""
    await context.info(message)
    await context.warning(message, logger_name="toolbox")
    return "logged"


@server.tool(output_schema=None)
async def elicitation(context: Context) -> str | InputRequiredResult:
    """Ask the user for a name: by a request of its own, or in the modern era by an unfinished result."""
    if not context._is_modern_protocol():
        answer = await context.elicit("What is your name?", str)
        return f"{answer.action}: {answer.data}" if answer.action == "accept" else answer.action
    if context.input_responses is None:
        schema = {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}
        params = ElicitRequestFormParams(message="What is your name?", requested_schema=schema)
        return InputRequiredResult(input_requests={"name": ElicitRequest(params=params)})
    response = context.input_responses["name"]
    assert isinstance(response, ElicitResult)
    return f"{response.action}: {(response.content or {}).get('value')}"


@server.tool
def failing() -> str:
    """Always fail."""
    raise ToolError("this tool always fails")


@server.tool
async def slow(ms: int = 100) -> str:
    """Take a number of milliseconds."""
    await asyncio.sleep(ms / 1000)
    return f"slept {ms} ms"


@server.resource("toolbox://readme", mime_type="text/plain")
def readme() -> str:
    return "Read me."


@server.resource("toolbox://items/{number}")
def item(number: int) -> str:
    return f"item {number}"


@server.prompt
def greet(name: str) -> str:
    return f"Greet {name}."


def main(transport: str, port: int) -> None:
    if transport == "stdio":
        server.run("stdio", show_banner=False)
        return
    kind: Literal["http", "sse"] = "sse" if transport == "sse" else "http"
    with socket.create_server(("127.0.0.1", port)) as listening:
        port = listening.getsockname()[1]
        print(json.dumps({"ready": port}), flush=True)
        server.run(
            kind,
            show_banner=False,
            host="127.0.0.1",
            port=port,
            sockets=[listening],
            uvicorn_config={"log_level": "warning"},
        )


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("stdio", "http", "sse"):
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
