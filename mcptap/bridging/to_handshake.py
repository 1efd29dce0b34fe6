"""A modern client's messages for a handshake server, and that server's for the client.

Rules: specification 2025-11-25 and 2026-07-28, "Lifecycle", "Versioning" and the schemas of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcptap.bridging.common import (
    ASKED,
    CACHEABLE,
    INPUT_METHODS,
    LIST_CHANGES,
    TASKS,
    carried,
    with_meta,
)
from mcptap.exchange import RpcError
from mcptap.model import Json
from mcptap.protocol import (
    CAPABILITIES_META,
    CLIENT_INFO_META,
    HANDSHAKE_VERSIONS,
    INVALID_PARAMS,
    LOG_LEVEL_META,
    META,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    MODERN_VERSIONS,
    PROGRESS_TOKEN,
    RESOURCE_NOT_FOUND,
    SERVER_INFO_META,
    URL_ELICITATION_REQUIRED,
    VERSION_META,
    meta_of,
)

_ENVELOPE: Final = (VERSION_META, CLIENT_INFO_META, CAPABILITIES_META, LOG_LEVEL_META)
_NAMELESS: Final = {"name": "unknown", "version": "0"}
_CACHE_HINTS: Final = {"ttlMs": 0, "cacheScope": "private"}
_GONE: Final = frozenset(
    {"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}
)
_OF_THE_ROUND: Final = frozenset({"inputResponses", "requestState"})


def refusal(method: str) -> RpcError | None:
    """Why a request can't be made of a handshake server; ``None`` where it can."""
    if method in _GONE:
        return RpcError.of(
            METHOD_NOT_FOUND, f"Method not found: {method} is not part of {MODERN_VERSIONS[0]}"
        )
    if method in TASKS:
        reason = f"{method}: the server speaks {HANDSHAKE_VERSIONS[-1]}, whose tasks can't be bridged"
        return RpcError.of(METHOD_NOT_FOUND, f"Method not found: {reason}")
    return None


def initialize_params(params: Json | None) -> dict[str, Any]:
    """The ``initialize`` by which a client introduces itself as it does in each modern request."""
    meta = meta_of(params)
    info = meta.get(CLIENT_INFO_META)
    return {
        "protocolVersion": HANDSHAKE_VERSIONS[-1],
        "capabilities": carried(meta.get(CAPABILITIES_META)),
        "clientInfo": info if isinstance(info, Mapping) else _NAMELESS,
    }


def discover_result(initialized: Json) -> dict[str, Any]:
    """What ``server/discover`` says of a server that has answered ``initialize``."""
    known = {"protocolVersion", "capabilities", "serverInfo"}
    rest = {name: value for name, value in initialized.items() if name not in known}
    found = {
        "supportedVersions": list(MODERN_VERSIONS),
        "capabilities": carried(initialized.get("capabilities")),
        **rest,
    }
    return result("server/discover", found, initialized.get("serverInfo"))


def request(method: str, params: Json | None) -> dict[str, Any] | None:
    """The params of a request without what only the modern era has in them."""
    if params is None:
        return None

    def strip(meta: dict[str, Any]) -> None:
        for key in _ENVELOPE:
            meta.pop(key, None)

    kept = with_meta(params, strip)
    if method in INPUT_METHODS:
        kept = {key: value for key, value in kept.items() if key not in _OF_THE_ROUND}
    return kept or None


def result(method: str, found: Json, server_info: Any) -> dict[str, Any]:
    """A result with what every modern one has: its type, the server's name, and cache hints where due."""
    hints = _CACHE_HINTS if method in CACHEABLE else {}
    return _signed({**hints, **found, "resultType": "complete"}, server_info)


def error(method: str, params: Json | None, refused: Json) -> Json:
    """An error with the code that the modern era has for it."""
    if refused.get("code") != RESOURCE_NOT_FOUND:
        return refused
    data = {"uri": (params or {}).get("uri")} if method == "resources/read" else None
    return {**refused, "code": INVALID_PARAMS} | ({"data": data} if data and "data" not in refused else {})


def missing_capability(required: Json) -> RpcError:
    """The error for a client that the server needs to ask and that can't be asked."""
    names = ", ".join(f"{name}.{next(iter(part))}" if part else name for name, part in required.items())
    return RpcError.of(
        MISSING_CAPABILITY,
        f"Missing required client capability: {names}",
        {"requiredCapabilities": required},
    )


def can_be_asked(method: str) -> bool:
    """Whether a server's request has a form in ``input_required``."""
    return method in ASKED


def input_request(method: str, params: Json | None) -> dict[str, Any]:
    """One of the ``inputRequests``, made of a server's request."""
    if params is None:
        return {"method": method}
    gone = {"task", "elicitationId"} if method == "elicitation/create" else {"task"}
    kept = {key: value for key, value in params.items() if key not in gone}
    return {"method": method, "params": with_meta(kept, lambda meta: meta.pop(PROGRESS_TOKEN, None))}


def input_required(requests: Mapping[str, Json], state: str, server_info: Any) -> dict[str, Any]:
    """The result that hands a server's requests to the client."""
    found = {"resultType": "input_required", "inputRequests": dict(requests), "requestState": state}
    return _signed(found, server_info)


def urls_to_visit(refused: Json) -> list[dict[str, Any]]:
    """The params of the elicitations that a server wants before a request (-32042), if it does."""
    data = refused.get("data")
    listed = data.get("elicitations") if isinstance(data, Mapping) else None
    if refused.get("code") != URL_ELICITATION_REQUIRED or not isinstance(listed, list):
        return []
    return [{"mode": "url", **each} for each in listed if isinstance(each, Mapping)]


def honoured(wanted: Any, capabilities: Any) -> dict[str, Any]:
    """The part of a subscription's filter that a server of such capabilities can serve."""
    if not isinstance(wanted, Mapping):
        return {}
    found: dict[str, Any] = {}
    for member, capability in LIST_CHANGES.values():
        if wanted.get(member) is True and _offers(capabilities, capability, "listChanged"):
            found[member] = True
    uris = wanted.get("resourceSubscriptions")
    if isinstance(uris, list) and _offers(capabilities, "resources", "subscribe"):
        unique = dict.fromkeys(uri for uri in uris if isinstance(uri, str))
        found |= {"resourceSubscriptions": list(unique)} if unique else {}
    return found


def _signed(found: dict[str, Any], server_info: Any) -> dict[str, Any]:
    if not isinstance(server_info, Mapping) or SERVER_INFO_META in meta_of(found):
        return found
    return {**found, META: {**meta_of(found), SERVER_INFO_META: server_info}}


def _offers(capabilities: Any, name: str, detail: str) -> bool:
    offered = capabilities.get(name) if isinstance(capabilities, Mapping) else None
    return isinstance(offered, Mapping) and offered.get(detail) is True
