"""Which stateless requests are one client's: by socket, by what it says of itself, by how it counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptap.exchange import Session
from mcptap.model import Json
from mcptap.tap import stateless
from mcptap.tap.channel import NoChannel
from mcptap.tap.stateless import StatelessSessions

CLIENT = {"name": "same", "version": "1"}


class Front:
    def __init__(self) -> None:
        self.dropped: list[Session] = []
        self.sessions = StatelessSessions(self._open, self.dropped.append)

    @staticmethod
    def _open(client: Json | None) -> Session:
        return Session("modern", "http", client, NoChannel())

    def ask(
        self, port: int, request_id: object, *, client: Json | None = None, begins: bool = False
    ) -> Session:
        return self.sessions.find(("here", port), client or CLIENT, request_id, begins=begins)


def test_what_comes_on_one_socket_is_one_clients_until_it_begins_anew() -> None:
    front = Front()
    first = front.ask(1, 1, begins=True)
    assert front.ask(1, 2) is first
    assert front.ask(1, 2) is first
    assert front.ask(1, "2") is first
    other = front.ask(1, 3, client={"name": "other"})
    assert other is not first
    again = front.ask(1, 1, begins=True)
    assert again not in (first, other)
    assert front.ask(1, 2) is again


def test_a_client_without_an_own_beginning_begins_with_an_id_that_was_used() -> None:
    front = Front()
    first = [front.ask(port, port) for port in (1, 2, 3)]
    assert first == [first[0]] * 3
    second = [front.ask(10 + number, number) for number in (1, 2, 3)]
    assert second == [second[0]] * 3
    assert second[0] is not first[0]


@pytest.mark.parametrize("ids", [[1, 2, 3, 4, 5, 6], ["a", "b", "c", "d", "e", "f"]])
def test_all_sockets_of_the_only_client_of_its_name_are_one_clients(ids: list[object]) -> None:
    front = Front()
    sessions = {front.ask(port % 4, identity, begins=not port) for port, identity in enumerate(ids)}
    assert len(sessions) == 1


def test_of_two_of_one_name_the_one_that_has_counted_so_far_has_opened_the_socket() -> None:
    front = Front()
    one, other = front.ask(1, 1, begins=True), front.ask(2, 1, begins=True)
    for number in range(2, 8):
        assert front.ask(1, number) is one
    assert front.ask(2, 2) is other
    assert [front.ask(3, 10), front.ask(4, 8), front.ask(5, 9)] == [one] * 3
    assert [front.ask(6, 4), front.ask(7, 3)] == [other] * 2
    assert front.ask(5, 11) is one


def test_a_client_that_uses_an_id_again_is_not_taken_for_one_that_was_silent_since_it_came() -> None:
    front = Front()
    silent = front.ask(1, 1, begins=True)
    client = front.ask(2, 1, begins=True)
    assert [front.ask(port, number) for port, number in ((3, 2), (4, 3), (5, 2), (6, 2))] == [client] * 4
    assert front.ask(1, 2) is silent


@given(st.lists(st.integers(0, 4), max_size=60))
def test_clients_of_one_name_with_a_socket_each_never_share_a_session(turns: list[int]) -> None:
    front = Front()
    sessions = [front.ask(number, 1, begins=True) for number in range(5)]
    counts = [1] * 5
    for turn in turns:
        counts[turn] += 1
        assert front.ask(turn, counts[turn]) is sessions[turn]


def test_a_notification_is_of_the_client_on_its_socket_or_else_of_the_latest_on_its_host() -> None:
    front = Front()
    one, other = (front.ask(port, 1, client={"name": str(port)}, begins=True) for port in (1, 2))
    assert front.sessions.heard_on(("here", 1)) is one
    assert front.sessions.heard_on(("here", 3)) is other
    assert front.sessions.heard_on(("there", 3)) not in {one, other}


def test_the_longest_silent_session_is_dropped_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stateless, "_MOST_SESSIONS", 2)
    front = Front()
    first, second = (front.ask(port, 1, begins=True) for port in (1, 2))
    front.ask(1, 2)
    front.ask(3, 1, begins=True)
    assert front.dropped == [second]
    assert front.ask(1, 3) is first
    assert front.ask(2, 2) is not second
