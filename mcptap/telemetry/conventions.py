"""The names of the OpenTelemetry semantic conventions for MCP, and mcptap's own for what they lack.

The conventions live in the repository ``open-telemetry/semantic-conventions-genai``
(``docs/gen-ai/mcp.md``, status Development, no release yet). The Python package has most of them as
deprecated or private constants, so they stand here, and a test holds them against that package.
"""

from __future__ import annotations

from typing import Final

SCOPE: Final = "mcptap"
"""The instrumentation scope of every span and metric."""

METHOD: Final = "mcp.method.name"
PROTOCOL_VERSION: Final = "mcp.protocol.version"
SESSION_ID: Final = "mcp.session.id"
RESOURCE_URI: Final = "mcp.resource.uri"
REQUEST_ID: Final = "jsonrpc.request.id"
OPERATION: Final = "gen_ai.operation.name"
TOOL: Final = "gen_ai.tool.name"
PROMPT: Final = "gen_ai.prompt.name"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
PROMPT_VARIABLE: Final = "gen_ai.prompt.variable"
ERROR_TYPE: Final = "error.type"
STATUS_CODE: Final = "rpc.response.status_code"
NETWORK_TRANSPORT: Final = "network.transport"
NETWORK_PROTOCOL: Final = "network.protocol.name"
NETWORK_PROTOCOL_VERSION: Final = "network.protocol.version"
CLIENT_ADDRESS: Final = "client.address"
CLIENT_PORT: Final = "client.port"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

EXECUTE_TOOL: Final = "execute_tool"
"""The `OPERATION` of a tool call; nothing else has one."""

TOOL_ERROR: Final = "tool_error"
"""The `ERROR_TYPE` of a tool call whose result has ``isError``."""

NOT_SERVER_ERRORS: Final = frozenset({-32700, -32600, -32601, -32602, -32002})
"""Codes that say that the caller was wrong: no error of a SERVER span (``mcp.server.status.attributes``)."""

SERVER_OPERATION_DURATION: Final = "mcp.server.operation.duration"
CLIENT_OPERATION_DURATION: Final = "mcp.client.operation.duration"
SERVER_SESSION_DURATION: Final = "mcp.server.session.duration"
CLIENT_SESSION_DURATION: Final = "mcp.client.session.duration"

DURATION_BOUNDARIES: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""The explicit bucket boundaries of the four histograms, in seconds."""

CASSETTE: Final = "mcptap.cassette"
"""The path of the cassette that a request is recorded to or replayed from."""
SEQ: Final = "mcptap.seq"
"""The number of its interaction there."""
REPLAYED: Final = "mcptap.replayed"
"""Whether the answer was a recorded one; absent where a real server is asked."""
MATCH: Final = "mcptap.match"
"""How a replay found its answer: ``hit``, ``repeat`` or ``miss``."""
OUTCOME: Final = "mcptap.outcome"
"""Why there was no answer, in the cassette's words: ``cancelled``, ``disconnected``, ``unanswered``."""
PROXY_DURATION: Final = "mcptap.proxy.duration"
"""mcptap's own time on a request, in seconds."""
GAP: Final = "mcptap.gap"
"""True where a request could not be recorded."""

RECORDED_INTERACTIONS: Final = "mcptap.recording.interactions"
RECORDED_BYTES: Final = "mcptap.recording.size"
RECORDING_GAPS: Final = "mcptap.recording.gaps"
REPLAY_MISSES: Final = "mcptap.replay.misses"
UPSTREAM_RECONNECTS: Final = "mcptap.upstream.reconnects"
