"""What the tests of the cassette write: strategies for records, and one small cassette with everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from mcptap.cassette import format as lines
from mcptap.cassette.writer import CassetteWriter
from mcptap.codec import ExactFloat, ExactInt
from mcptap.model import (
    CassetteHeader,
    Event,
    Gap,
    Interaction,
    Message,
    SessionStart,
    Target,
)

unhurried = settings(deadline=None)
"""For tests that may have to wait for a busy machine."""

HEADER = CassetteHeader(
    id="0198c0de",
    recorded_at="2026-11-22T20:00:00.000Z",
    by="mcptap 0.1.0",
    upstream=Target("time", "stdio", ("mcp-server-time", "--local-timezone", "Europe/Zürich")),
    redaction=("github-token",),
)


def _paired(text: str) -> str:
    """Make two surrogates that belong together the one character that they are in JSON."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


# Everything that a text may hold and that some reader of lines has tripped over, whole and alone.
delicate = '\u2028\u2029\x00\x85\r\n\\"/é😀\ud800\udbff\udc00\udfff'
strings = st.text() | st.text(st.sampled_from(delicate), max_size=8).map(_paired)

exact_numbers = st.sampled_from(
    ["1.0", "1e-7", "1E400", "-0", "-0.0", "1.10", "1e5", "9" * 40, "-12345678901234567890"]
).map(lambda text: ExactFloat(text) if set(text) & set(".eE") else ExactInt(text))

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | exact_numbers
    | strings,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(strings, children, max_size=4),
    max_leaves=12,
)

objects = st.dictionaries(strings, json_values, max_size=4)
optional_objects = st.none() | objects
numbers = st.integers(0, 2**53)
seconds = st.floats(0, 1e6).map(lambda value: round(value, 6))
milliseconds = st.floats(0, 1e6).map(lambda value: round(value, 3))
eras = st.sampled_from(["handshake", "modern"])
sides = st.sampled_from(["client", "server"])
answers = (
    st.fixed_dictionaries({"result": objects})
    | st.fixed_dictionaries({"error": objects})
    | st.fixed_dictionaries({"outcome": st.sampled_from(["cancelled", "disconnected", "unanswered"])})
)

headers = st.builds(
    CassetteHeader,
    id=st.text(min_size=1),
    recorded_at=st.just(HEADER.recorded_at),
    by=st.text(),
    upstream=st.none() | st.builds(Target, st.text(), st.text(), st.lists(st.text()).map(tuple)),
    redaction=st.lists(st.text()).map(tuple),
    version=st.just(1),
)
sessions = st.builds(
    SessionStart, numbers, seconds, eras, st.text(), optional_objects, st.none() | st.just("2026-11-22")
)
asked: st.SearchStrategy[dict[str, Any]] = (
    st.fixed_dictionaries({"result": objects}) | st.fixed_dictionaries({"error": objects}) | st.just({})
)


def _spoken(made: type[Any], **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    said = st.fixed_dictionaries(
        {
            **members,
            "source": sides,
            "method": strings,
            "params": optional_objects,
            "ms": st.none() | milliseconds,
        }
    )
    return st.builds(lambda said, answer: made(**said, **answer), said, asked)


events: st.SearchStrategy[Event] = _spoken(Event, at_ms=milliseconds)
messages: st.SearchStrategy[Message] = _spoken(Message, session=numbers, at=seconds)
gaps = st.builds(Gap, seconds, numbers, strings)
requests = st.fixed_dictionaries(
    {
        "seq": numbers,
        "session": numbers,
        "at": seconds,
        "method": strings,
        "params": optional_objects,
        "ms": st.none() | milliseconds,
        "proxy_ms": st.none() | milliseconds,
        "events": st.lists(events, max_size=3).map(tuple),
        "trace_id": st.none() | st.just("0af7651916cd43dd8448eb211c80319c"),
        "span_id": st.none() | st.just("b7ad6b7169203331"),
    }
)
interactions: st.SearchStrategy[Interaction] = st.builds(
    lambda request, answer: Interaction(**request, **answer), requests, answers
)


def call(seq: int, session: int = 1, *, tool: str = "now", answer: str = "noon") -> Interaction:
    """A request with a result."""
    return Interaction(
        seq=seq,
        session=session,
        at=seq / 4,
        method="tools/call",
        params={"name": tool, "arguments": {"zone": "Europe/Zürich\u2028\x00"}},
        ms=1.5,
        proxy_ms=0.125,
        result={"content": [{"type": "text", "text": answer}]},
    )


SESSION = SessionStart(1, 0.001, "handshake", "stdio", {"name": "tests", "version": "1"})
SPLIT = Interaction(
    seq=2,
    session=1,
    at=0.25,
    method="subscriptions/listen",
    params={},
    ms=1234.5,
    proxy_ms=0.5,
    outcome="disconnected",
    events=(
        Event(3.25, "server", "notifications/progress", {"progress": ExactFloat("1e0")}),
        Event(1050.0, "server", "sampling/createMessage", {"n": 1}, result={"role": "user"}, ms=12.0),
    ),
)
MESSAGE = Message(1, 2.5, "server", "notifications/tools/list_changed")
GAP = Gap(3.0, 2, "No space left on device")

SAMPLE: list[Mapping[str, Any]] = [
    lines.session_line(SESSION),
    lines.begin_line(SPLIT),
    lines.interaction_line(call(1)),
    *(lines.event_line(2, event) for event in reversed(SPLIT.events)),
    lines.message_line(MESSAGE),
    lines.end_line(SPLIT),
    lines.gap_line(GAP),
    lines.interaction_line(call(3, answer="one")),
]
"""One line of every kind; the events stand in the wrong order, as parallel tasks may write them."""

SAMPLE_RECORDS = [SESSION, call(1), MESSAGE, SPLIT, GAP, call(3, answer="one")]


def write(path: Path, content: Iterable[Mapping[str, Any]] = SAMPLE) -> Path:
    """Write a cassette with the given lines."""
    writer = CassetteWriter.open(path, HEADER, fsync="never")
    for line in content:
        writer.append(line)
    writer.close()
    return path
