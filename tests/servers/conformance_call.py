"""What the parts of the conformance server share: a request, its answers, and the table of tools."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import CLIENT_CAPABILITIES_META_KEY, INVALID_PARAMS
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

Json: TypeAlias = dict[str, Any]
MISSING_CAPABILITY: Final = -32021
TASKS: Final = "io.modelcontextprotocol/tasks"
_KEY: Final = b"what a server signs its states with"
_ANSWERED_BY: Final = {
    "elicitation/create": "action",
    "sampling/createMessage": "content",
    "roots/list": "roots",
}


class Call:
    """One request of a client."""

    def __init__(self, context: ServerRequestContext[Any, Any]) -> None:
        self.context = context
        self.params: Json = dict(context.params or {})
        self.modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS

    @property
    def arguments(self) -> Json:
        return self.params.get("arguments") or {}

    @property
    def meta(self) -> Json:
        return self.params.get("_meta") or {}

    @property
    def capabilities(self) -> Json:
        """What a modern client declares with each of its requests, and another when it opens its session."""
        if self.modern or (opened := self.context.session.client_params) is None:
            return self.meta.get(CLIENT_CAPABILITIES_META_KEY) or {}
        return opened.capabilities.model_dump(mode="json", by_alias=True, exclude_none=True)

    @property
    def has_tasks(self) -> bool:
        return TASKS in (self.capabilities.get("extensions") or {})

    def answers(self, requests: Json) -> Json | None:
        """What the client answered to the input requests; None unless it answered all of them."""
        given = self.params.get("inputResponses")
        if not isinstance(given, dict) or not all(
            isinstance(given.get(key), dict) and _ANSWERED_BY[request["method"]] in given[key]
            for key, request in requests.items()
        ):
            return None
        return {key: given[key] for key in requests}

    def require(self, **capabilities: Json) -> None:
        """Refuse a client who hasn't declared what the request needs."""
        if any(name not in self.capabilities for name in capabilities):
            needed = {"requiredCapabilities": capabilities}
            refuse(MISSING_CAPABILITY, "The client lacks a capability", needed)


def refuse(code: int, message: str, data: Json | None = None) -> None:
    raise MCPError(code, message, data)


def text(*lines: str, error: bool = False) -> Json:
    """A tool's result."""
    content = [{"type": "text", "text": line} for line in lines]
    return {"content": content, "isError": True} if error else {"content": content}


# Input requests, and the states that go with them.


def form(message: str, **properties: Json) -> Json:
    """An elicitation, as a request inside a result."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def prompt(question: str, most: int) -> Json:
    """A sampling request."""
    messages = [{"role": "user", "content": {"type": "text", "text": question}}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": most}}


ROOTS: Final[Json] = {"method": "roots/list", "params": {}}


def input_required(requests: Json, state: str | None = None) -> Json:
    """A result that asks the client to call again with the answers."""
    result: Json = {"resultType": "input_required", "inputRequests": requests}
    return result if state is None else {**result, "requestState": state}


def signed(content: str) -> str:
    """A state that differs each time, as those of real servers do, and can't be forged."""
    content = f"{content}.{secrets.token_hex(4)}"
    return f"{content}.{_signature(content)}"


def opened(state: Any) -> str:
    """The content of a signed state."""
    content, _, signature = str(state).rpartition(".")
    if not hmac.compare_digest(signature, _signature(content)):
        refuse(INVALID_PARAMS, "The requestState is not one of this server's")
    return content.rpartition(".")[0]


def _signature(content: str) -> str:
    return hmac.new(_KEY, content.encode(), hashlib.sha256).hexdigest()[:16]


# The tools.

Run: TypeAlias = Callable[[Call], Awaitable[Json]]


@dataclass(frozen=True)
class Tool:
    definition: Json
    run: Run


TOOLS: Final[dict[str, Tool]] = {}
"""In the order in which they are listed."""


def tool(description: str, schema: Json | None = None, **properties: Json) -> Callable[[Run], Run]:
    """Offer a function as the tool of its name; its arguments are ``properties``, all required."""
    if schema is None:
        schema = {"type": "object", "properties": properties, "required": list(properties)}

    def offer(run: Run) -> Run:
        name = run.__name__
        TOOLS[name] = Tool({"name": name, "description": description, "inputSchema": schema}, run)
        return run

    return offer


STRING: Final[Json] = {"type": "string"}
