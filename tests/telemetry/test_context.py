"""What of the context goes on with a message."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mcptap.telemetry.context import Propagation
from mcptap.telemetry.direct import DirectTracing
from mcptap.telemetry.operation import operation_of
from mcptap.telemetry.span import CLIENT
from mcptap.telemetry.telemetry import Telemetry

W3C = [TraceContextTextMapPropagator(), W3CBaggagePropagator()]


def sent(propagation: Propagation, meta: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
    """The ``_meta`` of a message on its way to the server."""
    tracing = DirectTracing(lambda _: None, Resource({}), InstrumentationScope("test"), DEFAULT_ON)
    parent, _ = propagation.parent_of(meta, headers, Context())
    telemetry = Telemetry(tracing, propagation=propagation)
    span = telemetry.begin(CLIENT, operation_of("ping", None, None, "stdio"), None, parent)
    return (propagation.with_span({"_meta": meta}, span) or {})["_meta"]


@pytest.mark.parametrize(
    "propagation", [Propagation(), Propagation(CompositePropagator([*reversed(W3C)]))], ids=["usual", "other"]
)
@pytest.mark.parametrize("baggage", ["k=v;p=1,é=ü", "a = b , c=%20", "", 7])
def test_baggage_that_a_client_sends_arrives_as_it_was_sent(propagation: Propagation, baggage: Any) -> None:
    meta = sent(propagation, {"baggage": baggage}, {"baggage": "other=1"})
    assert meta["baggage"] == baggage
    assert meta["traceparent"].startswith("00-")


def test_baggage_that_only_the_http_request_has_goes_on_in_meta() -> None:
    assert sent(Propagation(), {}, {"baggage": "user=ada"})["baggage"] == "user=ada"
