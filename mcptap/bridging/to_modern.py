"""A handshake client's messages for a modern server, and that server's for the client.

Rules: specification 2025-11-25 and 2026-07-28, "Lifecycle", "Versioning" and the schemas of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from mcptap.bridging.common import ASKED, CACHEABLE, LIST_CHANGES, TASKS, carried, with_meta
from mcptap.exchange import INTERNAL_ERROR, RpcError
from mcptap.model import Json
from mcptap.protocol import (
    CAPABILITIES_META,
    CLIENT_INFO_META,
    HANDSHAKE_VERSIONS,
    INVALID_PARAMS,
    LOG_LEVEL_META,
    META,
    METHOD_NOT_FOUND,
    MODERN_VERSIONS,
    RESOURCE_NOT_FOUND,
    SERVER_INFO_META,
    SUBSCRIPTION_META,
    VERSION_META,
    meta_of,
)

_DISCOVERED: Final = frozenset(
    {"resultType", "supportedVersions", "capabilities", "ttlMs", "cacheScope", META}
)


def refusal(method: str) -> RpcError | None:
    """Why a request can't be made of a modern server; ``None`` where it can."""
    if method in TASKS:
        reason = f"{method}: the server speaks {MODERN_VERSIONS[0]}, whose tasks can't be bridged"
        return RpcError.of(METHOD_NOT_FOUND, f"Method not found: {reason}")
    return None


def envelope(initialize: Json | None) -> dict[str, Any]:
    """What each request must say in ``_meta``, of a client that introduced itself by ``initialize``."""
    params = initialize or {}
    said = {VERSION_META: MODERN_VERSIONS[0], CAPABILITIES_META: carried(params.get("capabilities"))}
    info = params.get("clientInfo")
    return said | ({CLIENT_INFO_META: info} if isinstance(info, Mapping) else {})


def request(params: Json | None, said: Json, level: str | None) -> dict[str, Any]:
    """The params of a request with what the modern era demands in ``_meta``."""
    wanted = {} if level is None else {LOG_LEVEL_META: level}
    kept = {key: value for key, value in (params or {}).items() if key != "task"}
    return with_meta(kept, lambda meta: meta.update({**said, **wanted}))


def initialize_result(requested: Any, discovered: Json) -> dict[str, Any]:
    """What ``initialize`` says of a server that has answered ``server/discover``."""
    version = requested if requested in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
    info = meta_of(discovered).get(SERVER_INFO_META)
    rest = {name: value for name, value in discovered.items() if name not in _DISCOVERED}
    found = {
        "protocolVersion": version,
        "capabilities": carried(discovered.get("capabilities")),
        "serverInfo": info if isinstance(info, Mapping) else {"name": "unknown", "version": "0"},
        **rest,
        **({META: discovered[META]} if META in discovered else {}),
    }
    return with_meta(found, _unsign)


def speaks_modern(discovered: Json) -> bool:
    """Whether a result of ``server/discover`` offers a version of the modern era that mcptap knows."""
    offered = discovered.get("supportedVersions")
    return isinstance(offered, list) and any(version in offered for version in MODERN_VERSIONS)


def result(method: str, found: Json) -> dict[str, Any]:
    """A result without what only the modern era has in it.

    Raises:
        RpcError: It is of a type that the handshake era has no place for.
    """
    kind = found.get("resultType", "complete")
    if kind != "complete":
        message = f"The server answered {method} with a result of type {kind!r}, which can't be bridged"
        raise RpcError.of(INTERNAL_ERROR, message)
    gone = {"resultType", "ttlMs", "cacheScope"} if method in CACHEABLE else {"resultType"}
    return with_meta({name: value for name, value in found.items() if name not in gone}, _unsign)


def error(method: str, refused: Json) -> Json:
    """An error with the code that the handshake era has for it."""
    data = refused.get("data")
    absent = method == "resources/read" and isinstance(data, Mapping) and "uri" in data
    if absent and refused.get("code") == INVALID_PARAMS:
        return {**refused, "code": RESOURCE_NOT_FOUND}
    return refused


def input_requests(found: Json, new_id: Callable[[], str]) -> dict[str, tuple[str, Mapping[str, Any] | None]]:
    """The requests of an ``input_required`` result, by their keys.

    Args:
        found: The result.
        new_id: Gives the id that an elicitation by URL must have in the handshake era.

    Raises:
        RpcError: One of them is none that a client can be asked.
    """
    listed = found.get("inputRequests")
    requests: dict[str, tuple[str, Mapping[str, Any] | None]] = {}
    for key, each in listed.items() if isinstance(listed, Mapping) else ():
        method = each.get("method") if isinstance(each, Mapping) else None
        if method not in ASKED:
            message = f"The server asks its client for {method!r}, which can't be bridged"
            raise RpcError.of(INTERNAL_ERROR, message)
        params = each.get("params")
        if method == "elicitation/create" and isinstance(params, Mapping) and params.get("mode") == "url":
            params = {"elicitationId": new_id(), **params}
        requests[key] = method, params if isinstance(params, Mapping) else None
    return requests


def retry(params: Json | None, answers: Json, found: Json) -> dict[str, Any]:
    """The params of the request that carries the client's answers back to the server."""
    round_ = {"inputResponses": dict(answers)} if answers else {}
    state = found.get("requestState")
    round_ |= {} if state is None else {"requestState": state}
    return {**(params or {}), **round_}


def all_list_changes(capabilities: Any) -> dict[str, Any]:
    """The filter of a subscription to whatever lists such a server tells the changes of."""
    offered = capabilities if isinstance(capabilities, Mapping) else {}
    return {
        member: True
        for member, name in LIST_CHANGES.values()
        if isinstance(offered.get(name), Mapping) and offered[name].get("listChanged") is True
    }


def event(params: Json | None) -> dict[str, Any] | None:
    """The params of a subscription's notification without the subscription's id."""
    return (
        None if params is None else with_meta(params, lambda meta: meta.pop(SUBSCRIPTION_META, None)) or None
    )


def _unsign(meta: dict[str, Any]) -> None:
    meta.pop(SERVER_INFO_META, None)
