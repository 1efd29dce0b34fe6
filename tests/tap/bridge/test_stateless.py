"""Who is taken for whom among the modern clients over HTTP: nobody for another one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from mcptap.protocol import CLIENT_INFO_META, META
from mcptap.tap.bridge.stateless import COOKIE, Guest, Guests, identity_of

PARAMS = {META: {CLIENT_INFO_META: {"name": "somebody", "version": "1"}}}


def asked(
    port: int = 1, *, host: str = "127.0.0.1", cookie: str | None = None, **headers: str
) -> SimpleNamespace:
    """An HTTP request, as far as it is looked at."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent |= {"cookie": cookie} if cookie else {}
    return SimpleNamespace(headers=sent, client=SimpleNamespace(host=host, port=port))


class Door:
    """Guests who are found or let in, each with a number."""

    def __init__(self) -> None:
        self.guests: Guests[int] = Guests()
        self.busy: set[int] = set()
        self.states: dict[int, str] = {}

    def enter(
        self,
        request: Any,
        *,
        method: str = "tools/call",
        params: Mapping[str, Any] = PARAMS,
        state: str | None = None,
    ) -> Guest[int]:
        found = self.guests.find(
            request,
            method,
            params,
            gave_state=lambda client: state is not None and self.states.get(client) == state,
            is_busy=lambda client: client in self.busy,
        )
        return found or self.guests.add(request, method, params, len(self.guests._guests) + 1)


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_socket_is_a_client_and_another_socket_another_one(door: Door) -> None:
    one = door.enter(asked(1))
    assert door.enter(asked(1)) is one
    assert door.enter(asked(2)) is not one


def test_a_cookie_is_known_on_every_socket_and_only_that_of_the_client_itself(door: Door) -> None:
    one = door.enter(asked(1))
    cookie = f"{COOKIE}={one.cookie}"
    assert door.enter(asked(2, cookie=cookie)) is one
    assert door.enter(asked(3, cookie=f"{COOKIE}=forged")) is not one
    # Stolen: who brings it says another thing of himself, or proves another one, or is elsewhere.
    assert door.enter(asked(4, cookie=cookie), params={}) is not one
    assert door.enter(asked(5, cookie=cookie, authorization="Bearer other")) is not one
    assert door.enter(asked(6, cookie=cookie, host="10.0.0.1")) is not one


def test_a_state_leads_to_who_was_given_it_unless_somebody_else_brings_it(door: Door) -> None:
    one = door.enter(asked(1))
    door.states[one.client] = "state"
    assert door.enter(asked(2), state="state") is one
    assert door.enter(asked(3, authorization="Bearer other"), state="state") is not one
    assert door.enter(asked(4), state="forged") is not one


def test_a_second_socket_is_the_busy_client_s_where_no_two_are_busy(door: Door) -> None:
    one = door.enter(asked(1))
    one.greeted = True
    door.enter(asked(1))
    assert one.keeps_cookies is False
    assert door.enter(asked(2), method="server/discover") is not one
    door.busy = {one.client}
    assert door.enter(asked(3)) is one
    two = door.enter(asked(4), method="server/discover")
    two.greeted = True
    door.enter(asked(4))
    door.busy = {one.client, two.client}
    assert door.enter(asked(5)) not in {one, two}


def test_a_client_that_keeps_cookies_is_never_known_by_less(door: Door) -> None:
    one = door.enter(asked(1))
    one.greeted = True
    door.enter(asked(1, cookie=f"{COOKIE}={one.cookie}"))
    door.busy = {one.client}
    assert door.enter(asked(1)) is not one
    assert door.enter(asked(2)) is not one


def test_clients_of_a_kind_that_keeps_no_cookies_may_be_one_and_others_may_not(door: Door) -> None:
    one, two = door.enter(asked(1)), door.enter(asked(2))
    assert door.guests.indistinguishable(one.client) == []  # they may yet bring their cookies
    one.greeted = True
    door.enter(asked(1))
    door.enter(asked(3), params={})
    door.enter(asked(4, authorization="Bearer other"))
    keeper = door.enter(asked(5))
    keeper.greeted = True
    assert door.enter(asked(5, cookie=f"{COOKIE}={keeper.cookie}")) is keeper
    assert door.guests.indistinguishable(one.client) == [two.client]
    assert door.guests.indistinguishable(two.client) == [one.client]
    assert door.guests.indistinguishable(keeper.client) == []
    assert door.guests.indistinguishable(99) == []


def test_who_has_left_is_known_no_longer_and_the_oldest_leave_first(door: Door) -> None:
    first = door.enter(asked(1))
    guests = [door.enter(asked(port)) for port in range(2, 203)]
    door.enter(asked(1))
    assert door.guests.too_many() == guests[:2]
    door.guests.remove(first)
    assert door.enter(asked(1)) is not first


def test_credentials_are_not_kept() -> None:
    identity = identity_of(asked(authorization="Bearer hush"), "tools/call", PARAMS)
    assert b"hush" not in identity
    assert identity != identity_of(asked(), "tools/call", PARAMS)
    broken = asked(cookie='a="\x00; ;;=')
    assert identity_of(broken, "tools/call", None) == identity_of(broken, "tools/call", None)


def test_a_guest_waits_for_the_last_thing_it_was_told_to(door: Door) -> None:
    async def work() -> None:
        guest, done = door.enter(asked()), list[str]()
        guest.wait_for(0, lambda: done.append("first"))
        guest.wait_for(0, lambda: done.append("second"))
        await asyncio.sleep(0.01)
        assert done == ["second"]
        guest.wait_for(0, lambda: done.append("third"))
        guest.wait_for(None, lambda: None)
        await asyncio.sleep(0.01)
        assert done == ["second"]

    asyncio.run(work())
