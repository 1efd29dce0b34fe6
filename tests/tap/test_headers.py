"""The protocol's own HTTP headers: what the server is sent, and what of a client's is believed."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from mcptap.exchange import Exchange, RpcError, Session
from mcptap.model import Era
from mcptap.protocol import HEADER_MISMATCH
from mcptap.tap.callers import Callers
from mcptap.tap.channel import NoChannel
from mcptap.tap.headers import check_task_name, client_headers, era_of_message, upstream_headers
from mcptap.tap.verbatim import Verbatim

STAMP = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "x-mcp-header": "City"}}}


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


def sent(method: str, params: dict[str, Any], era: Era = "modern", **own: str) -> dict[str, str]:
    """What the server is sent with a request, whose client's own headers are ``own``."""
    session = Session(era, "http", None, NoChannel())
    headers = client_headers(request(**own))
    exchange = Exchange(session, method, {**params, **STAMP}, NoChannel(), headers=headers)
    return upstream_headers(exchange, "2025-11-25", lambda _: SCHEMA)


def test_an_argument_is_mirrored_once_and_as_the_client_did_it() -> None:
    params = {"name": "weather", "arguments": {"city": "Oslo"}}
    assert sent("tools/call", params)["mcp-param-city"] == "Oslo"
    with_own = sent("tools/call", params, mcp_param_city="=?base64?T3Nsbw==?=", authorization="Bearer x")
    assert with_own == {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "weather",
        "mcp-param-city": "=?base64?T3Nsbw==?=",
    }


def test_what_has_no_form_in_a_header_is_in_none() -> None:
    assert sent("tools/call", {"name": "\ud800"}).keys() == {"mcp-protocol-version", "mcp-method"}
    params = {"name": "weather", "arguments": {"city": "\ud800"}}
    assert sent("tools/call", params)["mcp-name"] == "weather"


def test_a_task_is_named() -> None:
    assert sent("tasks/get", {"taskId": "task-1"})["mcp-name"] == "task-1"


def test_a_handshake_session_has_its_version_only() -> None:
    assert sent("tools/call", {"name": "x"}, era="handshake") == {"mcp-protocol-version": "2025-11-25"}


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_a_header_that_names_another_task_is_refused(method: str) -> None:
    with pytest.raises(RpcError) as refused:
        check_task_name(request(mcp_name="task-2"), method, {"taskId": "task-1"})
    assert refused.value.error["code"] == HEADER_MISMATCH


def test_a_header_that_names_the_same_task_or_is_not_there_is_none_of_our_business() -> None:
    check_task_name(request(mcp_name="=?base64?dGFzay0x?="), "tasks/get", {"taskId": "task-1"})
    check_task_name(request(), "tasks/get", {"taskId": "task-1"})
    check_task_name(None, "tasks/get", {"taskId": "task-1"})
    check_task_name(request(mcp_name="other"), "example/custom", {"taskId": "task-1"})


def test_the_modern_entry_makes_every_request_modern() -> None:
    modern = request(mcp_protocol_version="2026-07-28")
    assert era_of_message(modern, "initialize", {}) == "modern"
    assert era_of_message(request(mcp_protocol_version="2025-11-25"), "initialize", {}) == "handshake"
    assert era_of_message(request(), "tools/list", STAMP) == "modern"
    assert era_of_message(None, "initialize", STAMP) == "handshake"


@pytest.mark.anyio
async def test_white_space_around_a_header_is_no_part_of_its_value() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])

    async def hear(*_: Any) -> None:
        """Hears nothing."""

    def watch(*_: Any) -> None:
        """Watches nobody."""

    headers = [(b"mcp-name", b" \tadd x \t"), (b"host", b"here")]
    scope = {"type": "http", "method": "GET", "headers": headers}
    own = Verbatim(app, None, "http", hear, lambda: Callers(None), watch)
    await own(scope, None, None)  # type: ignore[arg-type]
    assert seen == [(b"mcp-name", b"add x"), (b"host", b"here")]
