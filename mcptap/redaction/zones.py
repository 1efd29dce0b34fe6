"""What of a message is data, and what belongs to the protocol and must stay as it is.

Source: the schemas of the specification, 2025-11-25 and 2026-07-28, with the tasks extension.
"""

from __future__ import annotations

from typing import Final

from mcptap.protocol import VOLATILE_META

UNTOUCHED: Final = frozenset(
    {
        "action", "cacheScope", "capabilities", "clientInfo", "createdAt", "cursor", "elicitationId", "id",
        "jsonrpc", "lastUpdatedAt", "level", "logger", "method", "mimeType", "mode", "name", "nextCursor",
        "progressToken", "protocolVersion", "requestId", "requestState", "requestedSchema", "resultType",
        "role", "serverInfo", "status", "stopReason", "subscriptionId", "supported", "supportedVersions",
        "taskId", "ttlMs", "type", "uriTemplate",
    }
)  # fmt: skip
"""Members of the protocol's own objects whose values mean something to it."""

SCHEMAS: Final = frozenset({"inputSchema", "outputSchema", "requestedSchema"})
"""Members that hold a JSON Schema: of it only `PROSE` is text."""

PROSE: Final = frozenset({"description", "title", "instructions", "$comment", "default", "examples"})
"""Members that say what there is: words like "password" are no names of secrets there."""

DATA: Final = frozenset({"arguments", "structuredContent", "data", "input", "content", "metadata"})
"""Members whose value (where it is an object) is the user's own: no member of it belongs to the protocol."""

META: Final = "_meta"
BLOB: Final = "blob"


def is_protocol_meta(key: str) -> bool:
    """Whether a key of ``_meta`` is the protocol's: its prefix is MCP's own, or it is volatile."""
    prefix = key.partition("/")[0]
    return key in VOLATILE_META or "modelcontextprotocol" in prefix.split(".") or "mcp" in prefix.split(".")
