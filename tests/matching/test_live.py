from __future__ import annotations

from typing import Any

from mcptap.matching.live import live_event
from mcptap.model import Event, Interaction


def call(token: Any) -> Interaction:
    return Interaction(seq=1, session=1, at=0, method="tools/call", params=with_token(token), result={})


def with_token(token: Any) -> dict[str, Any]:
    return {"name": "slow", "_meta": {"progressToken": token}}


def progress(token: Any) -> Event:
    return Event(4.2, "server", "notifications/progress", {"progressToken": token, "progress": 1})


def test_progress_carries_the_token_of_the_live_request() -> None:
    assert live_event(progress(3), call(3), with_token("live-7")) == progress("live-7")
    assert live_event(progress("a"), call("a"), with_token(0)) == progress(0)


def test_a_client_that_asked_for_no_progress_gets_none() -> None:
    assert live_event(progress(3), call(3), {"name": "slow"}) is None
    assert live_event(progress(3), call(3), None) is None


def test_progress_of_something_else_is_played_as_it_was() -> None:
    assert live_event(progress(9), call(3), with_token(7)) == progress(9)
    assert live_event(progress("3"), call(3), with_token(7)) == progress("3")
    recorded_without_token = Interaction(seq=1, session=1, at=0, method="tools/call", result={})
    assert live_event(progress(9), recorded_without_token, with_token(7)) == progress(9)


def test_other_events_are_played_as_they_were() -> None:
    log = Event(1.0, "server", "notifications/message", {"level": "info", "data": "3"})
    changed = Event(1.0, "server", "notifications/tools/list_changed")
    question = Event(2.0, "server", "sampling/createMessage", with_token(3), result={})
    for event in (log, changed, question):
        assert live_event(event, call(3), None) == event


def test_a_subscription_is_named_by_the_id_of_the_live_request() -> None:
    key = "io.modelcontextprotocol/subscriptionId"

    def changed(subscription: Any) -> Event:
        meta = {"unknown": 1.5, key: subscription}
        return Event(4.2, "server", "notifications/tools/list_changed", {"_meta": meta})

    assert live_event(changed(3), call(3), None, "live-9") == changed("live-9")
    assert live_event(changed(3), call(3), None, 0) == changed(0)
