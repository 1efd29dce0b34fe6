"""What is said to the client inside a request."""

from __future__ import annotations

import asyncio

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mcptap.exchange import Exchange, Session
from mcptap.redaction.redactor import Redactor
from mcptap.tap.channel import NoChannel
from mcptap.telemetry.channel import TracedChannel
from mcptap.telemetry.content import redact_by
from mcptap.telemetry.direct import DirectSpan, DirectTracing
from mcptap.telemetry.operation import operation_of
from mcptap.telemetry.span import SERVER
from mcptap.telemetry.telemetry import Telemetry


def test_the_uri_of_a_resource_in_an_event_shows_no_secret() -> None:
    tracing = DirectTracing(lambda _: None, Resource({}), InstrumentationScope("test"), ALWAYS_ON)
    telemetry = Telemetry(tracing, redact=redact_by([Redactor((r"pattern:ZZ-\d+",), "salt")], None))
    span = telemetry.begin(SERVER, operation_of("tools/call", None, None, "stdio"), None, Context())
    assert isinstance(span, DirectSpan)
    session = Session("handshake", "stdio", None, NoChannel())
    exchange = Exchange(session, "tools/call", None, NoChannel())
    channel = TracedChannel(exchange.channel, exchange, span)
    asyncio.run(channel.notify("notifications/resources/updated", {"uri": "memo://ZZ-1234"}))
    (event,) = span.events
    assert str((event.attributes or {})["mcp.resource.uri"]).startswith("memo://‹redacted:")
