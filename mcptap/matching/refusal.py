"""What a server of the one era says to a client of the other, so that the client falls back."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from mcptap.exchange import RpcError
from mcptap.model import Era, Json
from mcptap.protocol import INVALID_REQUEST, METHOD_NOT_FOUND, MODERN_VERSIONS, UNSUPPORTED_VERSION


@dataclass(frozen=True, slots=True)
class Refusal:
    """The JSON-RPC ``error`` for a client of the other era. It is neither a miss nor a finding."""

    error: Json


def refusal(spoken: AbstractSet[Era], era: Era, method: str, params: Json | None) -> Refusal | None:
    """Refuse a request of an era that the recorded server doesn't speak (rule 7).

    Args:
        spoken: The eras that it does speak; where none is known, nothing is refused.
        era: The era of the client.
        method: The request's method.
        params: Its params.

    Returns:
        ``None`` for a request that such a server would take.
    """
    probes = method == "server/discover"
    # A client that doesn't know the era yet may probe without the modern era's stamp.
    wanted: Era = "modern" if probes else era
    if wanted in spoken or not spoken:
        return None
    if probes:
        return _error(METHOD_NOT_FOUND, "Method not found")
    if method == "initialize":
        requested = (params or {}).get("protocolVersion")
        data = {"supported": list(MODERN_VERSIONS), "requested": requested}
        return _error(UNSUPPORTED_VERSION, "Unsupported protocol version", data)
    return _error(INVALID_REQUEST, f"Invalid Request: this server has no {era} era")


def _error(code: int, message: str, data: Json | None = None) -> Refusal:
    return Refusal(RpcError.of(code, message, data).error)
