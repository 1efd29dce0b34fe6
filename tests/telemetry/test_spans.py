"""How much of a request's time was mcptap's own, as its span says."""

from __future__ import annotations

import asyncio
import time

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mcptap.exchange import Exchange, Session
from mcptap.model import Json
from mcptap.tap.channel import NoChannel, as_result
from mcptap.telemetry.direct import DirectSpan, DirectTracing
from mcptap.telemetry.spans import Scene, trace_request
from mcptap.telemetry.telemetry import Telemetry

HOUR = 3600.0


@pytest.mark.parametrize(
    ("sent", "answered", "waited", "own"),
    [
        (None, None, 0.0, HOUR),
        (0.25 * HOUR, 0.75 * HOUR, 0.0, 0.5 * HOUR),
        (0.25 * HOUR, None, 0.0, 0.25 * HOUR),
        (0.5 * HOUR, HOUR, 0.125 * HOUR, 0.375 * HOUR),
        (None, None, 0.75 * HOUR, 0.25 * HOUR),
        (None, None, 2 * HOUR, 0.0),
    ],
    ids=[
        "nobody is asked",
        "the server answers",
        "the server has not answered yet",
        "the server was asked something else before",
        "the server was asked something else alone",
        "the server was asked several things at once",
    ],
)
def test_the_time_that_others_take_is_not_mcptaps_own(
    sent: float | None, answered: float | None, waited: float, own: float
) -> None:
    ended: list[DirectSpan] = []
    tracing = DirectTracing(ended.append, Resource({}), InstrumentationScope("test"), DEFAULT_ON)
    exchange = Exchange(Session("modern", "stdio", None, NoChannel()), "ping", None, NoChannel())

    async def answer() -> Json:
        begun = time.perf_counter() - HOUR
        exchange.span.started -= int(HOUR * 1e9)  # type: ignore[union-attr]
        exchange.sent_at = None if sent is None else begun + sent
        exchange.answered_at = None if answered is None else begun + answered
        exchange.waited = waited
        return {}

    asyncio.run(trace_request(Scene(Telemetry(tracing)), as_result, exchange, None, answer))
    (span,) = ended
    assert span.all_attributes()["mcptap.proxy.duration"] == pytest.approx(own, abs=1.0)
