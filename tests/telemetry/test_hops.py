"""What goes to the real server is a CLIENT span of what goes there, whatever the client has sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mcptap.exchange import BackendSession, Exchange, Session
from mcptap.model import Json
from mcptap.tap.channel import NoChannel, as_result
from mcptap.telemetry.direct import DirectSpan, DirectTracing
from mcptap.telemetry.hops import TracedHop
from mcptap.telemetry.spans import Scene, trace_request
from mcptap.telemetry.telemetry import Telemetry

META = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}


class Server:
    """Answers everything, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Json | None] = []

    @contextlib.asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[BackendSession]:
        yield self

    async def request(self, exchange: Exchange) -> Json:
        self.asked.append(exchange.params)
        return {}

    async def notify(self, method: str, params: Json | None) -> None: ...


def names(method: str, params: list[Any], edit: Callable[[Exchange], None]) -> list[tuple[str, str]]:
    """The spans of requests that something edits in between, those of each one together."""
    ended: list[DirectSpan] = []
    telemetry = Telemetry(DirectTracing(ended.append, Resource({}), InstrumentationScope("test"), DEFAULT_ON))
    server = Server()

    async def work() -> None:
        session = Session("modern", "stdio", None, NoChannel())
        async with TracedHop(server, telemetry, None).session(session) as hop:
            for each in params:
                exchange = Exchange(session, method, each, NoChannel())

                async def answer(exchange: Exchange = exchange) -> Json:
                    edit(exchange)
                    return await hop.request(exchange)

                await trace_request(Scene(telemetry), as_result, exchange, None, answer)

    asyncio.run(work())
    assert [each and each["_meta"]["traceparent"][36:52] for each in server.asked] == [
        each.span_id for each in ended[::2]
    ]
    return [
        (span.operation.span_name, hop.operation.span_name)
        for hop, span in zip(ended[::2], ended[1::2], strict=True)
    ]


def in_place(exchange: Exchange) -> None:
    params: Any = exchange.params
    params["name"] = params["name"].upper()


def replaced(exchange: Exchange) -> None:
    exchange.params = {**(exchange.params or {}), "name": "other"}


def emptied(exchange: Exchange) -> None:
    exchange.params = None


@pytest.mark.parametrize(
    ("edit", "after"),
    [(lambda _: None, ["a", "b", "a"]), (in_place, ["A", "B", "A"]), (replaced, ["other"] * 3)],
)
def test_a_tool_has_the_name_that_goes_to_the_server(
    edit: Callable[[Exchange], None], after: list[str]
) -> None:
    params = [{"name": name, **META} for name in ("a", "b", "a")]
    found = names("tools/call", params, edit)
    before = [f"tools/call {name}" for name in ("a", "b", "a")]
    assert found == list(zip(before, [f"tools/call {name}" for name in after], strict=True))


def test_a_tool_without_a_name_gets_none_and_params_may_be_missing() -> None:
    named: list[Any] = [{"name": 7, **META}, dict(META), {"name": "a", **META}]
    assert names("tools/call", named, emptied) == [
        ("tools/call", "tools/call"),
        ("tools/call", "tools/call"),
        ("tools/call a", "tools/call"),
    ]
    assert names("tools/call", [dict(META)], replaced) == [("tools/call", "tools/call other")]
    assert names("tools/list", [dict(META), None], lambda _: None) == [("tools/list", "tools/list")] * 2
