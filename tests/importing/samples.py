"""Small recordings as the other tools write them, made of one conversation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

BEGAN = 1795305600.0
"""2026-11-22T00:00:00Z."""


def request(number: Any, method: str, params: Any = None) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": number,
        "method": method,
        **({} if params is None else {"params": params}),
    }


def notification(method: str, params: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}


def result(number: Any, **value: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": value}


def error(number: Any, code: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": "no"}}


def text(said: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}]}


HELLO = request(
    0,
    "initialize",
    {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}},
)
WELCOME = result(
    0,
    protocolVersion="2025-11-25",
    capabilities={"tools": {}},
    serverInfo={"name": "weather", "version": "1"},
)
FORM = {"message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}

CONVERSATION: list[tuple[float, str, dict[str, Any]]] = [
    (0.0, "client", HELLO),
    (0.1, "server", WELCOME),
    (0.1, "client", notification("notifications/initialized")),
    (0.2, "server", notification("notifications/tools/list_changed")),
    (0.3, "client", request(1, "tools/call", {"name": "slow", "_meta": {"progressToken": 7}})),
    (0.4, "client", request("b", "tools/call", {"name": "quick", "arguments": {"x": 1}})),
    (0.5, "server", notification("notifications/progress", {"progressToken": 7, "progress": 1})),
    (0.6, "server", result("b", **text("quick"))),
    (0.7, "server", request(1, "elicitation/create", FORM)),
    (0.9, "client", result(1, action="decline")),
    (1.0, "server", result(1, **text("slow"))),
    (1.1, "client", request(2, "tools/call", {"name": "absent"})),
    (1.2, "server", error(2, -32602)),
    (1.3, "client", request(3, "tools/call", {"name": "endless"})),
    (1.4, "client", notification("notifications/cancelled", {"requestId": 3})),
    (1.5, "client", request(4, "tools/call", {"name": "dead"})),
]
"""A session in which about everything happens; the last request is never answered."""

Said = Iterable[tuple[float, str, dict[str, Any]]]


def rec(said: Said) -> bytes:
    """As mcp-rec writes it."""
    arrow = {"client": "client->server", "server": "server->client"}
    return _lines({"ts": BEGAN + at, "dir": arrow[side], "msg": message} for at, side, message in said)


def npm(said: Said, **header: Any) -> bytes:
    """As npm's mcp-cassette writes what was said over stdio."""
    way = {"client": "c2s", "server": "s2c"}
    entries = [
        {"type": "frame", "t": round(at * 1000), "dir": way[side], "frame": message}
        for at, side, message in said
    ]
    return _lines([npm_header(**header), *entries])


def npm_header(**more: Any) -> dict[str, Any]:
    return {
        "type": "header",
        "cassetteVersion": 2,
        "recorder": "mcp-cassette@0.4.0",
        "startedAt": "2026-11-22T00:00:00.000Z",
        "transport": "stdio",
        "command": ["weather-server"],
        **more,
    }


def pypi(said: Said, **more: Any) -> bytes:
    """As PyPI's mcp-cassette writes what was said over stdio: its time is that of the end."""
    messages = [pypi_message(at, side, message) for at, side, message in said]
    document = {
        "format_version": 3,
        "recorded_at": "2026-11-22T00:00:01.500000Z",
        "transport": "stdio",
        "server_url": None,
        "session_id": None,
        "server_info": {"name": "weather", "version": "1"},
        "messages": messages,
    }
    return json.dumps({**document, **more}, indent=2).encode()


def pypi_message(at: float, side: str, message: Any, **http: Any) -> dict[str, Any]:
    return {"t_offset_ms": round(at * 1000), "sender": side, "kind": "…", "payload": message, **http}


def recorder(*pairs: tuple[dict[str, Any], dict[str, Any] | None, int]) -> bytes:
    """As mcp-recorder writes it: requests with their answers, and how long (milliseconds) they took."""
    interactions = [
        {
            "type": "jsonrpc_request" if "id" in asked else "notification",
            "request": asked,
            "response": answered,
            "response_is_sse": False,
            "response_status": 200,
            "latency_ms": took,
        }
        for asked, answered, took in pairs
    ]
    lifecycle = {
        "type": "lifecycle",
        "request": None,
        "response": None,
        "http_method": "DELETE",
        "latency_ms": 1,
    }
    metadata = {"recorded_at": "2026-11-22T01:00:00.250+01:00", "server_url": "http://127.0.0.1:9/[REDACTED]"}
    return json.dumps(
        {"version": "1.0", "metadata": metadata, "interactions": [*interactions, lifecycle]}, indent=2
    ).encode()


def _lines(entries: Iterable[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(entry)}\n" for entry in entries).encode()
