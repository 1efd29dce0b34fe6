"""A FastMCP server over HTTP that tells everything it is sent, in about every way that a server can.

    python -m tests.servers.reflecting

It takes a free port; ``{"ready": PORT}`` on stdout says which. The endpoint is ``/mcp``.
"""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from typing import Any

import uvicorn
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_http_request
from fastmcp.tools.base import ToolResult

server: FastMCP[Any] = FastMCP("reflecting")


@server.tool
def refuse() -> str:
    """Say what is wrong with the key, and nothing that tells that it is one."""
    sent = get_http_request()
    raise ToolError(f"{sent.headers['x-api-key']} at {sent.headers['x-acme']} may not do that")


@server.tool
async def reflect(said: dict[str, Any], context: Context) -> ToolResult:
    """Give back what was said, and how it came."""
    sent = get_http_request()
    headers = dict(sent.headers)
    raw = "\n".join(f"{name}: {value}" for name, value in headers.items())
    await context.info(f"GET {sent.url}\n{raw}")
    return ToolResult(
        content=[json.dumps(said), raw, f"curl -H 'X-Api-Key: {headers['x-api-key']}' '{sent.url}'"],
        structured_content={"headers": headers, "url": str(sent.url), "said": said},
        meta={"example.com/sent": {"headers": headers, "packed": b64encode(raw.encode()).decode()}},
    )


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"ready": listener.getsockname()[1]}), flush=True)
    app = server.http_app(path="/mcp")
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run([listener])


if __name__ == "__main__":
    main()
