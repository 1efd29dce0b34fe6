"""Spans are gathered, sent by a thread of their own, and dropped where too many wait."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind

from mcptap.telemetry.batching import Batching, Limits, limits_of
from mcptap.telemetry.direct import DirectSpan, DirectTracing
from mcptap.telemetry.operation import operation_of
from mcptap.telemetry.telemetry import Telemetry

PING = operation_of("ping", None, None, "stdio")
PATIENCE = 60.0


class Sender:
    """Keeps how many spans came at once; a gate that is shut holds it up."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.came = threading.Condition()
        self.gate = threading.Event()
        self.gate.set()

    def send(self, spans: Sequence[DirectSpan]) -> None:
        with self.came:
            self.sizes.append(len(spans))
            self.came.notify_all()
        assert self.gate.wait(PATIENCE)

    def wait_for(self, sizes: list[int]) -> None:
        with self.came:
            assert self.came.wait_for(lambda: self.sizes == sizes, PATIENCE), self.sizes


def span() -> DirectSpan:
    tracing = DirectTracing(lambda _: None, Resource({}), InstrumentationScope("test"), ALWAYS_ON)
    made = Telemetry(tracing).begin(SpanKind.SERVER, PING, None, Context())
    assert isinstance(made, DirectSpan)
    return made


def test_spans_are_sent_as_soon_as_there_are_enough_and_the_rest_at_the_end() -> None:
    sender = Sender()
    batching = Batching(sender.send, Limits(waiting=100, together=4, delay=PATIENCE))
    for _ in range(4):
        batching.take(span())
    sender.wait_for([4])
    for _ in range(3):
        batching.take(span())
    batching.shutdown()
    assert sender.sizes == [4, 3]


def test_no_span_waits_longer_than_the_delay() -> None:
    sender = Sender()
    batching = Batching(sender.send, Limits(delay=0.01))
    batching.take(span())
    sender.wait_for([1])
    batching.shutdown()
    assert sender.sizes == [1]


def test_what_waits_is_sent_at_once_when_there_is_hurry() -> None:
    sender = Sender()
    batching = Batching(sender.send, Limits(waiting=100, together=4, delay=PATIENCE))
    for _ in range(3):
        batching.take(span())
    batching.hurry()
    sender.wait_for([3])
    batching.shutdown()


def test_spans_beyond_those_that_may_wait_are_dropped_and_nobody_waits() -> None:
    sender = Sender()
    sender.gate.clear()
    batching = Batching(sender.send, Limits(waiting=6, together=4, delay=PATIENCE))
    for _ in range(4):
        batching.take(span())
    sender.wait_for([4])  # they hang, and
    for _ in range(20):  # of these six can wait
        batching.take(span())
    sender.gate.set()
    batching.shutdown()
    assert sender.sizes == [4, 4, 2]


def test_the_limits_are_those_of_the_sdk_where_the_variables_name_none() -> None:
    theirs: Any = BatchSpanProcessor
    assert limits_of({}) == Limits(
        theirs._default_max_queue_size(),
        theirs._default_max_export_batch_size(),
        theirs._default_schedule_delay_millis() / 1000,
    )
    named = {
        "OTEL_BSP_MAX_QUEUE_SIZE": "20",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10",
        "OTEL_BSP_SCHEDULE_DELAY": "250",
    }
    assert limits_of(named) == Limits(20, 10, 0.25)
    assert limits_of({"OTEL_BSP_MAX_QUEUE_SIZE": "20"}) == Limits(20, 20)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "OTEL_BSP_MAX_QUEUE_SIZE '0'"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "soon"}, "OTEL_BSP_SCHEDULE_DELAY 'soon'"),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "-1"}, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE '-1'"),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "3000"}, "is more than OTEL_BSP_MAX_QUEUE_SIZE"),
    ],
)
def test_limits_that_can_not_be_meant_are_refused(variables: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        limits_of(variables)
