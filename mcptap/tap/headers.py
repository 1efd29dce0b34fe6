"""The protocol's own HTTP headers of a request, in both directions (specification 2026-07-28, "Headers")."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    NAME_BEARING_METHODS,
    decode_header_value,
    encode_header_value,
    mcp_param_headers,
    x_mcp_header_map,
)

from mcptap.exchange import Exchange, RpcError
from mcptap.model import Era, Json
from mcptap.protocol import (
    HEADER_MISMATCH,
    MODERN_VERSIONS,
    PARAM_HEADER_PREFIX,
    VERSION_HEADER,
    VERSION_META,
    era_of,
    meta_of,
)

_TASK_ID: Final = "taskId"
_TASK_METHODS: Final = ("tasks/get", "tasks/update", "tasks/cancel")
_NAMED_BY: Final[Mapping[str, str]] = MappingProxyType(
    {**NAME_BEARING_METHODS, **dict.fromkeys(_TASK_METHODS, _TASK_ID)}
)
"""The member of ``params`` that ``Mcp-Name`` repeats."""


def upstream_headers(
    exchange: Exchange, version: str | None, schema_of: Callable[[str], Mapping[str, Any] | None]
) -> dict[str, str]:
    """The headers that a request is sent to the server with; their names are in lower case.

    Args:
        exchange: The request.
        version: What its handshake session has negotiated, once it has.
        schema_of: Gives the schema of a tool whose arguments are mirrored in headers.
    """
    if exchange.session.era == "handshake":
        return {VERSION_HEADER: version} if version else {}
    params = exchange.params or {}
    headers = {
        VERSION_HEADER: str(meta_of(params).get(VERSION_META)),
        MCP_METHOD_HEADER: exchange.method,
    }
    name = params.get(_NAMED_BY.get(exchange.method, ""))
    # Half a surrogate pair has no form in a header: a server over HTTP refuses the request that lacks it.
    with contextlib.suppress(UnicodeEncodeError):
        if isinstance(name, str):
            headers[MCP_NAME_HEADER] = encode_header_value(name)
        schema = schema_of(str(name)) if exchange.method == "tools/call" else None
        arguments = params.get("arguments")
        if schema is not None and isinstance(arguments, Mapping):
            mirrored = mcp_param_headers(x_mcp_header_map(schema), arguments)
            headers |= {name.lower(): value for name, value in mirrored.items()}
    return headers | dict(exchange.headers)  # what the client itself has sent wins


def notification_headers(era: Era) -> dict[str, str]:
    """The headers that a client's notification is sent to the server with.

    The modern era defines none ("Sending Messages"), but it has no other way to say that it is meant.
    """
    return {VERSION_HEADER: MODERN_VERSIONS[-1]} if era == "modern" else {}


def client_headers(request: Any) -> dict[str, str]:
    """The headers of a client's HTTP request that say something which its body may not."""
    if request is None:
        return {}
    return {name: value for name, value in request.headers.items() if name.startswith(PARAM_HEADER_PREFIX)}


def check_task_name(request: Any, method: str, params: Json | None) -> None:
    """Refuse a request about a task whose ``Mcp-Name`` is another one's id.

    The SDK's front does so for the methods that it knows, and tasks are none of them.

    Raises:
        RpcError: The header is there and contradicts the body.
    """
    if request is None or method not in _TASK_METHODS or MCP_NAME_HEADER not in request.headers:
        return
    if decode_header_value(request.headers[MCP_NAME_HEADER]) != (params or {}).get(_TASK_ID):
        message = f"{MCP_NAME_HEADER} header does not match the request body's {_TASK_ID!r} parameter"
        raise RpcError.of(HEADER_MISMATCH, message)


def era_of_message(request: Any, method: str, params: Json | None) -> Era:
    """The era of a message: the modern HTTP entry, which the header leads to, decides for all methods.

    Elsewhere it is what the message itself claims; there ``initialize`` is always a handshake.
    """
    if request is not None and request.headers.get(VERSION_HEADER) in MODERN_VERSIONS:
        return "modern"
    return era_of(method, params)
