"""A replay in recorded time: by the loop's clock, which these tests turn on by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mcptap.errors import UsageError
from mcptap.exchange import Exchange, Session
from mcptap.model import Event, Interaction, Json
from mcptap.player import Player
from mcptap.tap.backends.pace import Pace, parse_timing
from mcptap.tap.backends.replay import CassetteBackend
from tests.test_player import InMemory, handshake


class Clock(asyncio.SelectorEventLoop):
    """A loop that waits for nothing: where nothing else is to be done, its clock goes on by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(main())


class Client:
    """Notes when it hears something, and takes its time to answer."""

    def __init__(self, answers_after: float = 0.0) -> None:
        self.heard: list[tuple[str, float]] = []
        self._answers_after = answers_after

    async def notify(self, method: str, params: Json | None) -> None:
        self.note(method)

    async def ask(self, method: str, params: Json | None) -> Json:
        self.note(method)
        await asyncio.sleep(self._answers_after)
        return {}

    def note(self, what: str) -> None:
        self.heard.append((what, round(asyncio.get_running_loop().time(), 6)))


def recorded(*interactions: Interaction) -> InMemory:
    tape = InMemory(*((handshake(each.method, {"n": each.seq}), {"result": {}}) for each in interactions))
    tape.interactions = list(interactions)
    return tape


def slow(seq: int, ms: float, *events: Event) -> Interaction:
    return Interaction(seq, 1, 0.0, "slow", {"n": seq}, ms, 0.0, result={}, events=events)


async def play(tape: InMemory, client: Client, timing: float, *numbers: int) -> None:
    """Make requests in parallel; the client notes when each has its answer."""
    backend = CassetteBackend(Player(tape), print, lambda _: None, timing=timing)
    session = Session("handshake", "memory", None, client)
    async with backend.session(session) as opened:

        async def ask(number: int) -> None:
            await opened.request(Exchange(session, "slow", {"n": number}, client))
            client.note(f"answer {number}")

        await asyncio.gather(*map(ask, numbers))


EVENTS = (Event(100.0, "server", "notifications/a"), Event(250.0, "server", "notifications/b"))


@pytest.mark.parametrize(
    ("factor", "times"), [(1.0, (0.1, 0.25, 0.4)), (0.5, (0.05, 0.125, 0.2)), (0.0, (0, 0, 0))]
)
def test_events_and_answers_come_at_their_times(factor: float, times: tuple[float, ...]) -> None:
    async def main() -> None:
        client = Client()
        await play(recorded(slow(0, 400.0, *EVENTS)), client, factor, 0)
        assert client.heard == list(
            zip(["notifications/a", "notifications/b", "answer 0"], times, strict=True)
        )

    run(main)


def test_what_is_asked_in_parallel_takes_as_long_as_the_slowest() -> None:
    async def main() -> None:
        client = Client()
        await play(recorded(slow(0, 300.0), slow(1, 100.0), slow(2, 200.0)), client, 1.0, 0, 1, 2)
        assert client.heard == [("answer 1", 0.1), ("answer 2", 0.2), ("answer 0", 0.3)]

    run(main)


@pytest.mark.parametrize("answers_after", [0.0, 2.0])
def test_the_server_s_time_counts_from_the_client_s_answer(answers_after: float) -> None:
    question = Event(100.0, "server", "elicitation/create", result={}, ms=500.0)
    then = Event(650.0, "server", "notifications/then")

    async def main() -> None:
        client = Client(answers_after)
        await play(recorded(slow(0, 700.0, question, then)), client, 1.0, 0)
        said = 0.1 + answers_after
        what, when = zip(*client.heard, strict=True)
        assert what == ("elicitation/create", "notifications/then", "answer 0")
        assert when == pytest.approx((0.1, said + 0.05, said + 0.1))

    run(main)


def test_a_replay_without_times_asks_for_no_clock() -> None:
    async def main() -> None:
        pace = Pace(0.0)
        pace.resumed(5.0)
        await pace.until(1e9)
        assert asyncio.get_running_loop().time() == 0.0

    run(main)


@pytest.mark.parametrize(
    ("timing", "factor"), [("none", 0.0), ("recorded", 1.0), ("0.5", 0.5), (2, 2.0), ("0", 0.0)]
)
def test_a_timing_is_a_factor(timing: Any, factor: float) -> None:
    assert parse_timing(timing) == factor


@pytest.mark.parametrize("timing", ["", "fast", "-1", "inf", "nan", None, [1]])
def test_what_is_no_timing_is_refused(timing: Any) -> None:
    with pytest.raises(UsageError, match="is no timing"):
        parse_timing(timing)
