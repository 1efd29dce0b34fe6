"""What the conventions say of one request or notification: its name, its attributes and its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from mcptap.model import Json, Outcome, Target
from mcptap.telemetry import conventions as names

Attribute: TypeAlias = str | int | float | bool
Attributes: TypeAlias = Mapping[str, Attribute]
Server: TypeAlias = tuple[str, int | None]
"""The address and the port of a server."""

NOTHING: Final[Attributes] = {}

WITH_URI: Final = frozenset(
    {"resources/read", "resources/subscribe", "resources/unsubscribe", "notifications/resources/updated"}
)
"""The methods whose params name a resource."""
_TARGET_ATTRIBUTE: Final = {"tools/call": names.TOOL, "prompts/get": names.PROMPT}
_NO_CODE: Final = "_OTHER"
MOST_KNOWN: Final = 1024
"""So many operations are kept."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """What all requests of one kind have in common; there is one object of each (`operation_of`).

    Attributes:
        method: The method.
        span_name: ``{method} {target}``, with a target only where there are few.
        attributes: Those of the spans and of the metrics.
        has_uri: Whether the params name a resource.
        named: Whether the params have a name that tells it from others, and
        name: that, if it can be one.
    """

    method: str
    span_name: str
    attributes: Attributes
    has_uri: bool = False
    named: bool = False
    name: str | None = None


_KNOWN: Final[dict[tuple[str, str | None, str | None, str, str | None, Server | None], Operation]] = {}


def operation_of(
    method: str,
    params: Json | None,
    version: object,
    transport: str,
    http_version: str | None = None,
    server: Server | None = None,
) -> Operation:
    """Describe a request or notification.

    Args:
        method: Its method.
        params: Its params.
        version: The protocol version that is spoken; anything but a string is none.
        transport: ``stdio``, ``http``, ``sse``, ``ws`` or ``memory``.
        http_version: The version of HTTP, where it is known.
        server: The server, where it has an address.
    """
    target = params.get("name") if params and method in _TARGET_ATTRIBUTE else None
    if not isinstance(target, str):
        target = None
    if not isinstance(version, str):
        version = None
    key = (method, target, version, transport, http_version, server)
    known = _KNOWN.get(key)
    if known is None:
        if len(_KNOWN) >= MOST_KNOWN:
            _KNOWN.clear()
        known = _KNOWN[key] = _operation(*key)
    return known


def _operation(
    method: str,
    target: str | None,
    version: str | None,
    transport: str,
    http_version: str | None,
    server: Server | None,
) -> Operation:
    attributes: dict[str, Attribute] = {names.METHOD: method}
    if target is not None:
        attributes[_TARGET_ATTRIBUTE[method]] = target
    if method == "tools/call":
        attributes[names.OPERATION] = names.EXECUTE_TOOL
    attributes |= connection_attributes(version, transport, http_version, server)
    name = f"{method} {target}" if target else method
    return Operation(method, name, attributes, method in WITH_URI, method in _TARGET_ATTRIBUTE, target)


def connection_attributes(
    version: str | None, transport: str, http_version: str | None = None, server: Server | None = None
) -> dict[str, Attribute]:
    """What the conventions say of a connection; in-memory ones have no network."""
    attributes: dict[str, Attribute] = {}
    if version is not None:
        attributes[names.PROTOCOL_VERSION] = version
    if transport == "stdio":
        attributes[names.NETWORK_TRANSPORT] = "pipe"
    elif transport != "memory":
        attributes[names.NETWORK_TRANSPORT] = "tcp"
        attributes[names.NETWORK_PROTOCOL] = "websocket" if transport == "ws" else "http"
        if http_version is not None:
            attributes[names.NETWORK_PROTOCOL_VERSION] = http_version
    if server is not None:
        address, port = server
        attributes[names.SERVER_ADDRESS] = address
        if port is not None:
            attributes[names.SERVER_PORT] = port
    return attributes


def server_of(target: Target | None) -> Server | None:
    """The address and port of a server that is reached by a URL."""
    if target is None or target.transport not in {"http", "sse", "ws"} or not target.target:
        return None
    parts = urlsplit(target.target[0])
    return (parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)) if parts.hostname else None


def uri_of(params: Json | None) -> str | None:
    """The URI of the resource that a request or notification `WITH_URI` is about."""
    uri = params.get("uri") if params else None
    return uri if isinstance(uri, str) else None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ended.

    Attributes:
        error_type: The ``error.type``; ``None`` where it is no error.
        code: The JSON-RPC code of the answer, where it had one.
        description: The message of the answer's error.
        outcome: Why there was no answer.
    """

    error_type: str | None = None
    code: str | None = None
    description: str | None = None
    outcome: Outcome | None = None

    def metric_attributes(self) -> dict[str, Attribute]:
        """What the histograms say of it."""
        attributes: dict[str, Attribute] = {}
        if self.error_type is not None:
            attributes[names.ERROR_TYPE] = self.error_type
        if self.code is not None:
            attributes[names.STATUS_CODE] = self.code
        return attributes


SUCCESS: Final = Ending()
_TOOL_ERROR: Final = Ending(names.TOOL_ERROR)


def ending_of_result(method: str, result: Json) -> Ending:
    """The ending of a request that was answered with a result."""
    return _TOOL_ERROR if method == "tools/call" and result.get("isError") is True else SUCCESS


def ending_of_error(error: Json, *, server: bool, outcome: Outcome | None = None) -> Ending:
    """The ending of a request that was answered with a JSON-RPC error.

    Args:
        error: The error.
        server: Whether the one who answered says so (a SERVER span); some codes are no errors there.
        outcome: Set where the answer is mcptap's own, because there was none.
    """
    code, message = error.get("code"), error.get("message")
    if not isinstance(code, int):
        return Ending(_NO_CODE, None, message if isinstance(message, str) else None, outcome)
    failed = not (server and code in names.NOT_SERVER_ERRORS)
    description = message if failed and isinstance(message, str) else None
    return Ending(str(code) if failed else None, str(code), description, outcome)


def ending_without_answer(outcome: Outcome) -> Ending:
    """The ending of a request that had no answer."""
    return Ending(outcome, outcome=outcome)
