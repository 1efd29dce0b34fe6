"""The same answers over Streamable HTTP, as JSON and never as a stream: a bare Starlette app.

python -m tests.benchmarks.upstream_http PORT
"""

from __future__ import annotations

import sys
from uuid import uuid4

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.benchmarks.upstream import answer


async def endpoint(request: Request) -> Response:
    message = orjson.loads(await request.body())
    if "id" not in message or "method" not in message:
        return Response(status_code=202)
    headers = {"mcp-session-id": uuid4().hex} if message["method"] == "initialize" else None
    return Response(answer(message), media_type="application/json", headers=headers)


if __name__ == "__main__":
    uvicorn.run(
        Starlette(routes=[Route("/mcp", endpoint, methods=["POST"])]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
