"""Whose a message of the server is: what it names decides, and nothing is guessed that can't be told."""

from __future__ import annotations

from typing import Any

import pytest

from mcptap.exchange import Exchange, Session
from mcptap.tap.backends.routing import Routing
from mcptap.tap.channel import NoChannel
from mcptap.tap.link import OUTSIDE

LOG = "notifications/message"
PROGRESS = "notifications/progress"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


def exchange(
    *, stateless: bool = False, token: Any = None, identity: Any = "own", method: str = "tools/call"
) -> Exchange:
    session = Session("modern" if stateless else "handshake", "http", None, NoChannel())
    params = None if token is None else {"_meta": {"progressToken": token}}
    return Exchange(session, method, params, NoChannel(), id=identity)


def found(routing: Routing, method: str = LOG, params: Any = None, origin: Any = None) -> Any:
    route = routing.find(method, params, origin)
    return None if route is None else route.number


def test_the_stream_decides_where_the_transport_tells() -> None:
    routing = Routing()
    for number in (1, 2):
        routing.open(number, exchange(token=f"token {number}"))
    assert found(routing, origin=2) == 2
    assert found(routing, PROGRESS, {"progressToken": "token 1"}, origin=2) == 2
    assert found(routing, origin=3) is None
    routing.close(2, answered=True)
    assert found(routing, origin=2) is None
    assert found(routing, origin=OUTSIDE) is None
    assert found(routing) == 1


def test_of_several_in_flight_a_message_without_a_name_is_nobodys() -> None:
    routing = Routing()
    assert found(routing) is None
    routing.open(1, exchange())
    assert found(routing) == 1
    assert found(routing, "notifications/tools/list_changed") is None
    routing.open(2, exchange())
    assert found(routing) is None


def test_a_subscription_causes_nothing_that_does_not_name_it() -> None:
    routing = Routing()
    routing.open(1, exchange(stateless=True, method="subscriptions/listen"))
    routing.open(2, exchange(stateless=True))
    assert found(routing) == 2
    routing.close(1, answered=False)
    assert found(routing) == 2


@pytest.mark.parametrize("name", [1.0, True, None, {}, [1], "2", "one"])
def test_an_odd_name_is_nobodys(name: Any) -> None:
    routing = Routing()
    routing.open(1, exchange(token=1))
    assert found(routing, PROGRESS, {"progressToken": name}) is None
    assert found(routing, PROGRESS, {"progressToken": 1}) == 1
    if name is not None:
        assert found(routing, LOG, {"_meta": {SUBSCRIPTION: name}}) is None


def test_tokens_and_subscriptions_are_given_back_as_the_client_chose_them() -> None:
    routing = Routing()
    for number in (1, 2):
        sent = routing.open(number, exchange(token="same", identity=f"request {number}"))
    assert sent is not None
    token = sent["_meta"]["progressToken"]
    assert token != "same"
    for named, number in ((token, 2), ("same", 1)):
        route = routing.find(PROGRESS, {"progressToken": named}, None)
        assert route is not None
        assert route.number == number
        assert route.for_client({"progressToken": named, "x": 1}) == {"progressToken": "same", "x": 1}
    subscribed = {"_meta": {SUBSCRIPTION: 2}}
    route = routing.find("notifications/tools/list_changed", subscribed, None)
    assert route is not None
    assert route.for_client(subscribed) == {"_meta": {SUBSCRIPTION: "request 2"}}


def test_late_progress_of_one_stateless_client_is_not_told_to_the_next_with_the_same_token() -> None:
    routing = Routing()
    late = routing.open(1, exchange(stateless=True, token=7))
    routing.close(1, answered=False)
    routing.open(2, exchange(stateless=True, token=7))
    assert late is not None
    for token in (7, late["_meta"]["progressToken"]):
        assert found(routing, PROGRESS, {"progressToken": token}) is None


@pytest.mark.parametrize("stateless", [True, False])
def test_what_was_taken_back_may_go_on_talking_until_a_later_request_is_answered(stateless: bool) -> None:
    routing = Routing()
    routing.open(1, exchange(stateless=stateless))
    routing.open(2, exchange(stateless=stateless))
    routing.close(1, answered=False)
    mine = None if stateless else 2
    assert found(routing) == mine
    routing.close(2, answered=True)  # it was sent before the other one was taken back
    routing.open(3, exchange(stateless=stateless))
    assert found(routing) == (3 if not stateless else None)
    routing.close(3, answered=True)
    routing.open(4, exchange(stateless=stateless))
    assert found(routing) == 4


@pytest.mark.parametrize("stateless", [True, False])
def test_who_speaks_with_nothing_in_flight_is_believed_no_more(stateless: bool) -> None:
    routing = Routing()
    assert found(routing, "notifications/tools/list_changed") is None
    routing.open(1, exchange(stateless=stateless))
    assert found(routing) == 1
    routing.close(1, answered=True)
    assert found(routing) is None
    for number in (2, 3):
        routing.open(number, exchange(stateless=stateless))
        assert found(routing) == (None if stateless else number)
        routing.close(number, answered=True)
