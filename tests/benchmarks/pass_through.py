"""What an HTTP proxy of Starlette and httpx2 can cost at least: bodies go through unread.

python -m tests.benchmarks.pass_through PORT URL
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

HOP_BY_HOP = frozenset({"host", "content-length", "connection"})
KEPT = ("content-type", "mcp-session-id")


def app_for(url: str) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with httpx2.AsyncClient(trust_env=False) as client:
            app.state.client = client
            yield

    async def endpoint(request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        client: httpx2.AsyncClient = request.app.state.client
        answer = await client.post(url, content=await request.body(), headers=headers)
        kept = {name: answer.headers[name] for name in KEPT if name in answer.headers}
        return Response(answer.content, answer.status_code, kept)

    return Starlette(routes=[Route("/mcp", endpoint, methods=["POST"])], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(
        app_for(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
