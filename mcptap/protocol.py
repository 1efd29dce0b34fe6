"""Protocol facts that more than one module needs (specification 2026-07-28 and 2025-11-25).

The SDK's own constants are used in the adapters; these stand here so that the pure floor imports
nothing, and a contract test holds them against the SDK's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcptap.model import Era, Interaction, Json

MODERN_VERSIONS: Final = ("2026-07-28",)
"""Protocol versions of the modern (stateless) era."""
HANDSHAKE_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Protocol versions of the handshake era, oldest first."""

META: Final = "_meta"
RESERVED_META_PREFIX: Final = "io.modelcontextprotocol/"
VERSION_META: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO_META: Final = "io.modelcontextprotocol/clientInfo"
CAPABILITIES_META: Final = "io.modelcontextprotocol/clientCapabilities"
SUBSCRIPTION_META: Final = "io.modelcontextprotocol/subscriptionId"
SERVER_INFO_META: Final = "io.modelcontextprotocol/serverInfo"
LOG_LEVEL_META: Final = "io.modelcontextprotocol/logLevel"
PROGRESS_TOKEN: Final = "progressToken"  # noqa: S105 - a member's name

VERSION_HEADER: Final = "mcp-protocol-version"
PARAM_HEADER_PREFIX: Final = "mcp-param-"

METHOD_NOT_FOUND: Final = -32601
INVALID_REQUEST: Final = -32600
INVALID_PARAMS: Final = -32602
HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022
RESOURCE_NOT_FOUND: Final = -32002
"""Of the handshake era; in the modern one it is `INVALID_PARAMS`."""
URL_ELICITATION_REQUIRED: Final = -32042
"""Of 2025-11-25; in the modern era such a request is answered with ``input_required``."""
MISS: Final = -32004
"""The code of a replay miss, in the implementation's own range (-32000 to -32019)."""

VOLATILE_META: Final = frozenset({PROGRESS_TOKEN, "traceparent", "tracestate", "baggage"})
"""Keys of ``_meta`` that differ between two runs of the same session (CASSETTE.md, matching rule 1)."""

NAMED_BY: Final[Mapping[str, str]] = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
    "completion/complete": "ref",
}
"""The member of ``params`` that names what a request is about."""

TASK_POLL: Final = "tasks/get"
TASK_ACTIONS: Final = frozenset({"tasks/update", "tasks/cancel", "tasks/result"})
"""What changes the state of a task, or waits until it has changed (the tasks extension)."""

REPEATING: Final = frozenset(
    {
        "initialize",
        "server/discover",
        "ping",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        TASK_POLL,
    }
)
"""Requests that a recording answers for ever (CASSETTE.md, matching rules 2 and 4)."""

PROGRESS: Final = "notifications/progress"
LISTEN: Final = "subscriptions/listen"
OUTSIDE_REQUESTS: Final = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
    }
)
"""What a server says of itself, and in no request but a subscription."""

STREAM_CLOSED: Final = "mcptap/stream_closed"
"""The event of a server that closes the stream of a request, to be asked again for the rest of it."""


def is_volatile_meta(key: str) -> bool:
    """Whether a key of a request's ``_meta`` says nothing about what was asked for."""
    return key in VOLATILE_META or key.startswith(RESERVED_META_PREFIX)


def meta_of(params: Json | None) -> Mapping[str, Any]:
    """The ``_meta`` object of ``params``, or an empty one where there is none."""
    meta = params.get(META) if params else None
    return meta if isinstance(meta, dict) else {}


def era_of(method: str, params: Json | None) -> Era:
    """The era that a request itself claims: the modern one stamps every request with its version.

    ``initialize`` does not exist in the modern era, even where a client stamps it.
    """
    return "modern" if method != "initialize" and VERSION_META in meta_of(params) else "handshake"


def progress_token_of(params: Json | None) -> str | int | None:
    """The progress token that a request carries; a bool is none (it would pass for 0 or 1)."""
    token = meta_of(params).get(PROGRESS_TOKEN)
    return token if isinstance(token, (str, int)) and not isinstance(token, bool) else None


def target_of(method: str, params: Json | None) -> str | None:
    """What a request is about, for people: a tool's name, a resource's URI; ``None`` for the rest."""
    member = NAMED_BY.get(method)
    value = params.get(member) if params and member else None
    if isinstance(value, Mapping):
        value = value.get("name") or value.get("uri")
    return value if isinstance(value, str) else None


def client_of(method: str, params: Json | None) -> Json | None:
    """The client's name and version as it gave them: in ``initialize``, or with every modern request."""
    info = (
        (params or {}).get("clientInfo") if method == "initialize" else meta_of(params).get(CLIENT_INFO_META)
    )
    return info if isinstance(info, Mapping) else None


def outcome_of(interaction: Interaction) -> str:
    """How a request ended, in a word or two for people."""
    if interaction.outcome is not None:
        return interaction.outcome
    if interaction.error is not None:
        return f"error {interaction.error.get('code')}"
    result = interaction.result or {}
    if result.get("isError") is True:
        return "tool error"
    return "input_required" if result.get("resultType") == "input_required" else "ok"
