from __future__ import annotations

from typing import Any

import pytest

from mcptap.matching.refusal import Refusal, refusal
from mcptap.model import Era


def code(spoken: set[Era], era: Era, method: str, params: dict[str, Any] | None = None) -> int | None:
    refused = refusal(spoken, era, method, params)
    return None if refused is None else refused.error["code"]


def test_a_handshake_server_does_not_know_discover() -> None:
    assert refusal({"handshake"}, "modern", "server/discover", {}) == Refusal(
        {"code": -32601, "message": "Method not found"}
    )


def test_a_handshake_server_does_not_know_a_probe_without_the_stamp_either() -> None:
    assert code({"handshake"}, "handshake", "server/discover") == -32601


def test_a_handshake_server_takes_no_other_modern_request() -> None:
    assert code({"handshake"}, "modern", "tools/call") == -32600


def test_a_modern_server_says_which_versions_it_speaks() -> None:
    assert refusal({"modern"}, "handshake", "initialize", {"protocolVersion": "2025-11-25"}) == Refusal(
        {
            "code": -32022,
            "message": "Unsupported protocol version",
            "data": {"supported": ["2026-07-28"], "requested": "2025-11-25"},
        }
    )


@pytest.mark.parametrize("method", ["ping", "tools/call"])
def test_a_modern_server_takes_no_other_handshake_request(method: str) -> None:
    assert code({"modern"}, "handshake", method) == -32600


@pytest.mark.parametrize("method", ["server/discover", "initialize", "tools/call"])
def test_a_server_of_both_eras_or_of_unknown_ones_refuses_nothing(method: str) -> None:
    for era in ("handshake", "modern"):
        assert code({"handshake", "modern"}, era, method) is None
        assert code(set(), era, method) is None
