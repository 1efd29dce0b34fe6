"""The event store of the HTTP front: what was missed is sent again, and memory stays bounded."""

from __future__ import annotations

import pytest
from mcp.server.streamable_http import EventMessage
from mcp_types import JSONRPCResponse

from mcptap.tap.resuming import RecentEvents

pytestmark = pytest.mark.anyio


def answer(number: int, text: str = "x") -> JSONRPCResponse:
    return JSONRPCResponse(jsonrpc="2.0", id=number, result={"text": text})


async def missed(store: RecentEvents, event_id: str) -> tuple[str | None, list[object]]:
    """The stream of an event, and the ids of the answers that came on it after the event."""
    found: list[object] = []

    async def take(event: EventMessage) -> None:
        assert isinstance(event.message, JSONRPCResponse)
        found.append(event.message.id)

    return await store.replay_events_after(event_id, take), found


async def test_what_came_on_a_stream_after_an_event_is_sent_again() -> None:
    store = RecentEvents()
    first = await store.store_event("one", None)
    other = await store.store_event("other", None)
    await store.store_event("one", answer(1))
    await store.store_event("other", answer(2))
    last = await store.store_event("one", answer(3))
    assert await missed(store, first) == ("one", [1, 3])
    assert await missed(store, other) == ("other", [2])
    assert await missed(store, last) == ("one", [])
    assert await missed(store, "unknown") == (None, [])


async def test_only_the_latest_events_are_kept() -> None:
    store = RecentEvents(most_events=3)
    ids = [await store.store_event("one", answer(number)) for number in range(5)]
    assert await missed(store, ids[1]) == (None, [])
    assert await missed(store, ids[2]) == ("one", [3, 4])


async def test_large_events_take_the_place_of_many_but_the_latest_stays() -> None:
    store = RecentEvents(most_bytes=10_000)
    small = [await store.store_event("one", answer(number)) for number in range(5)]
    large = await store.store_event("two", answer(9, "x" * 8_000))
    assert await missed(store, small[0]) == (None, [])
    assert await missed(store, small[-1]) == ("one", [])
    larger = await store.store_event("two", answer(10, "x" * 20_000))
    assert await missed(store, large) == (None, [])
    assert await missed(store, larger) == ("two", [])
