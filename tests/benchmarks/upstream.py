"""The fastest stdio upstream that is worth measuring against: it answers every tool call at once.

    python -m tests.benchmarks.upstream

Both eras; the answer to ``tools/call`` is about 100 bytes.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import orjson

VERSION_META = "io.modelcontextprotocol/protocolVersion"
INFO = {"name": "upstream", "version": "1.0"}
CAPABILITIES: dict[str, Any] = {"tools": {}}
LISTS = {"ttlMs": 0, "cacheScope": "public"}
TOOL = {
    "name": "fast",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
}


def _result(method: str) -> dict[str, Any] | None:
    if method == "tools/call":
        return {"content": [{"type": "text", "text": "an answer of a hundred bytes or thereabouts"}]}
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "initialize":
        return {"protocolVersion": "2025-11-25", "capabilities": CAPABILITIES, "serverInfo": INFO}
    if method == "server/discover":
        meta = {"io.modelcontextprotocol/serverInfo": INFO}
        return {"supportedVersions": ["2026-07-28"], "capabilities": CAPABILITIES, "_meta": meta}
    return {} if method == "ping" else None


def answer(message: dict[str, Any]) -> bytes:
    """The answer to a request, as one JSON text."""
    method = message["method"]
    result = _result(method)
    envelope = {"jsonrpc": "2.0", "id": message["id"]}
    if result is None:
        return orjson.dumps(envelope | {"error": {"code": -32601, "message": "Method not found"}})
    if VERSION_META in message.get("params", {}).get("_meta", {}):
        result["resultType"] = "complete"
        if method != "tools/call":
            result |= LISTS
    return orjson.dumps(envelope | {"result": result})


def serve() -> None:
    for line in sys.stdin.buffer:
        message = orjson.loads(line)
        if "id" in message and "method" in message:
            os.write(1, answer(message) + b"\n")


if __name__ == "__main__":
    serve()
