"""A server that passes every server scenario of the official conformance suite, in both eras.

    python -m tests.servers.conformance [--handshake] [PORT]

With ``--handshake`` it speaks no other era. Streamable HTTP on loopback, endpoint ``/mcp``; port 0, the
default, takes a free one, and ``{"ready": PORT}`` on stdout says which. Its answers are the same in every
run, but for ids, dates and the states of multi-round-trip requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from collections.abc import Mapping
from typing import Any, Final

import mcp_types as types
import uvicorn
from fastmcp.server.event_store import EventStore
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import ListenHandler
from mcp.shared.message import ServerMessageMetadata
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, SERVER_INFO_META_KEY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, ConfigDict

from tests.servers import conformance_content as content
from tests.servers import conformance_tasks as tasks
from tests.servers.conformance_call import TASKS, TOOLS, Call, Json, Run, refuse
from tests.servers.conformance_tools import bus

_INFO: Final = {"name": "conformance", "version": "1.0.0"}
_CHANGING: Final = {"listChanged": True}
_CAPABILITIES: Final[Json] = {
    "tools": _CHANGING,
    "prompts": _CHANGING,
    "resources": {"subscribe": True, **_CHANGING},
    "completions": {},
}
_EXTENSIONS: Final = {TASKS: {}, "io.modelcontextprotocol/skills": {"directoryRead": True}}
_RETRY_MS: Final = 100


async def _discover(call: Call) -> Json:
    capabilities = {**_CAPABILITIES, "extensions": _EXTENSIONS}
    return {"supportedVersions": list(MODERN_PROTOCOL_VERSIONS), "capabilities": capabilities}


async def _list_tools(call: Call) -> Json:
    return {"tools": [tool.definition for tool in TOOLS.values()]}


async def _call_tool(call: Call) -> Json:
    tool = TOOLS.get(str(call.params.get("name")))
    if tool is None:
        refuse(INVALID_PARAMS, "There is no such tool")
        return {}
    return await tool.run(call)


async def _acknowledge(call: Call) -> Json:
    return {}


_BOTH: Final[Mapping[str, Run]] = {
    "tools/list": _list_tools,
    "tools/call": _call_tool,
    "resources/list": content.list_resources,
    "resources/templates/list": content.list_templates,
    "resources/read": content.read_resource,
    "prompts/list": content.list_prompts,
    "prompts/get": content.get_prompt,
    "completion/complete": content.complete,
}
_HANDSHAKE: Final[Mapping[str, Run]] = {
    **_BOTH,
    "logging/setLevel": _acknowledge,
    "resources/subscribe": _acknowledge,
    "resources/unsubscribe": _acknowledge,
}
_MODERN: Final[Mapping[str, Run]] = {
    **_BOTH,
    "server/discover": _discover,
    "tasks/get": tasks.get,
    "tasks/update": tasks.update,
    "tasks/cancel": tasks.cancel,
    "skills/list": content.list_skills,
    "skills/get": content.get_skill,
    "resources/directory/read": content.read_directory,
}
_CACHEABLE: Final = frozenset(_MODERN) - {
    "tools/call",
    "prompts/get",
    "completion/complete",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
}


async def _refuse_modern(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    if Call(ctx).modern:
        refuse(METHOD_NOT_FOUND, "Method not found")
    return await call_next(ctx)


async def _answer(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Answer with a plain object, which the SDK sends as it is; what isn't ours is the SDK's own."""
    call = Call(ctx)
    run = (_MODERN if call.modern else _HANDSHAKE).get(ctx.method)
    if run is None or ctx.request_id is None:
        result = await call_next(ctx)
        if ctx.method == "initialize" and isinstance(result, dict):
            return {**result, "capabilities": {**_CAPABILITIES, "logging": {}}}
        return result
    result = await run(call)
    while not call.modern and result.get("resultType") == "input_required":
        result = await run(await _asked(call, result))
    return _modern_result(ctx.method, result) if call.modern else result


async def _asked(call: Call, result: Json) -> Call:
    """Ask a handshake client what a modern one is asked inside a result, as if it had called again."""

    async def ask(request: Json) -> Json:
        asking: Any = types.Request[dict[str, Any], str](method=request["method"], params=request["params"])
        related = ServerMessageMetadata(related_request_id=call.context.request_id)
        answer = await call.context.session.send_request(asking, _Anything, metadata=related)
        return answer.model_dump(mode="json", by_alias=True)

    requests = result["inputRequests"]
    answers = await asyncio.gather(*(ask(request) for request in requests.values()))
    given = dict(zip(requests, answers, strict=True))
    call.params |= {"inputResponses": given, "requestState": result.get("requestState")}
    return call


class _Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


def _modern_result(method: str, result: Json) -> Json:
    cache = {"ttlMs": 0, "cacheScope": "public"} if method in _CACHEABLE else {}
    return {"resultType": "complete", **cache, **result, "_meta": {SERVER_INFO_META_KEY: _INFO}}


def _schema_of(name: str) -> Json | None:
    return TOOLS[name].definition["inputSchema"] if name in TOOLS else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int, nargs="?", default=0)
    parser.add_argument("--handshake", action="store_true")
    options = parser.parse_args()
    server: Server[Any] = Server(
        _INFO["name"],
        version=_INFO["version"],
        get_tool_input_schema=_schema_of,
        on_subscriptions_listen=ListenHandler(bus),
    )
    server.middleware.insert(0, _answer)
    if options.handshake:
        server.middleware.insert(0, _refuse_modern)
    app = server.streamable_http_app(event_store=EventStore(), retry_interval=_RETRY_MS)
    listening = socket.create_server(("127.0.0.1", options.port), backlog=128)
    print(json.dumps({"ready": listening.getsockname()[1]}), flush=True)
    # Of uvicorn's two parsers only this one takes the white space around header values away (RFC 9110).
    config = uvicorn.Config(app, http="h11", log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
