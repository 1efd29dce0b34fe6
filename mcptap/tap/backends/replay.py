"""A recording as a backend."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from mcptap.announcer import Remark
from mcptap.cassette.index import Entry
from mcptap.errors import McptapError
from mcptap.exchange import Channel, Exchange, RpcError, Session, UnansweredError
from mcptap.matching.columns import PLAIN, Look
from mcptap.matching.live import live_event
from mcptap.matching.miss import Miss
from mcptap.matching.refusal import Refusal
from mcptap.model import Event, Interaction, Json, Message
from mcptap.player import Answer, Cursor, Hit, Player, Pong
from mcptap.protocol import STREAM_CLOSED
from mcptap.tap.backends.pace import Pace
from mcptap.tap.peer import CONNECTION_CLOSED

_LONGEST_PAUSE: Final = 1.0
_ROUNDED_MS: Final = 0.002
"""By how much two recorded times are off at most, together (milliseconds)."""
_GIVEN_UP: Final = ("cancelled", "disconnected")


class CassetteBackend:
    """Answers from a cassette.

    Args:
        player: Finds the answers.
        report: Takes the explanation of every miss.
        on_trouble: Told why a request can't even be looked up.
        look: How an explanation looks.
        timing: How many times the recorded delays it takes to answer.
    """

    def __init__(
        self,
        player: Player,
        report: Callable[[str], None],
        on_trouble: Callable[[McptapError], None],
        look: Look = PLAIN,
        timing: float = 0.0,
    ) -> None:
        self.player = player
        self.timing = timing
        self.on_trouble = on_trouble
        self._report = report
        self._look = look

    def report(self, miss: Miss) -> None:
        """Explain a miss to the user."""
        self._report(miss.text(self._look))

    @contextlib.asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[CassetteSession]:
        """Open a session, which starts at the beginning; see `Backend.session`."""
        async with anyio.create_task_group() as tasks:
            opened = CassetteSession(self, session, self.player.cursor(), tasks)
            tasks.start_soon(opened.announce)
            yield opened
            tasks.cancel_scope.cancel()


class CassetteSession:
    """One client session of a replay."""

    def __init__(self, backend: CassetteBackend, session: Session, cursor: Cursor, tasks: TaskGroup) -> None:
        self._backend = backend
        self._session = session
        self._cursor = cursor
        self._announcer = cursor.announcer
        self._tasks = tasks
        self._moved = anyio.Event()
        self._said = anyio.Event()

    async def announce(self) -> None:
        """Say what the server said outside any request, when it is due."""
        while True:
            moved = self._moved
            while (remark := self._announcer.next()) is not None:
                message = self._cursor.read_message(remark.entry)
                if not message.asked:
                    await self._session.channel.notify(message.method, message.params)
                    self._done(remark)
                    continue
                self._tasks.start_soon(self._ask_outside, remark, message)
                await anyio.lowlevel.checkpoint()  # it is sent before anything else is said
                if not message.answered:
                    self._done(remark)
            await moved.wait()

    async def request(self, exchange: Exchange) -> Json:
        """Answer one request; see `BackendSession.request`."""
        return await self.play(exchange, self.find(exchange))

    def find(self, exchange: Exchange) -> Answer:
        """Find the answer to one request; it counts as given, or as missed.

        Raises:
            McptapError: It can't be looked up, which is reported.
        """
        try:
            return self._cursor.find(exchange.session.era, exchange.method, exchange.params)
        except McptapError as error:
            self._backend.on_trouble(error)
            raise

    def forwarded(self) -> None:
        """Learn that the real server answers the request that was just missed."""
        self._cursor.forwarded()

    async def play(self, exchange: Exchange, found: Answer) -> Json:
        """Give the answer that was found, with all that happened before it.

        Raises:
            RpcError: It is an error, or a miss, which is reported.
        """
        match found:
            case Hit():
                exchange.notes["repeat" if found.repeat else "hit"] = found.interaction.seq
                exchange.notes["replayed"] = found
                return await self._answer(exchange, found.entry, found.interaction)
            case Pong():
                return found.result
            case Refusal():
                raise RpcError(found.error)
            case Miss():
                raise self._missed(exchange, found)

    async def notify(self, method: str, params: Json | None) -> None:
        """Take a notification: in the recording, the server may have said something after it."""
        try:
            self._cursor.notified(self._session.era, method, params)
        except McptapError as error:
            self._backend.on_trouble(error)
            raise
        self._move()

    async def _answer(self, exchange: Exchange, entry: Entry, interaction: Interaction) -> Json:
        """Play what happened in an interaction, and give its outcome when that is due."""
        self._announcer.arrived(entry)
        self._move()
        try:
            pace = Pace(self._backend.timing)
            await self._play(exchange, interaction, pace)
            await pace.until((interaction.ms or 0.0) + (interaction.proxy_ms or 0.0))
            if interaction.outcome in _GIVEN_UP:
                await anyio.sleep_forever()  # the client gave it up, and will again
            while self._announcer.holds(entry):
                said = self._said
                self._move()
                await said.wait()
            if (miss := self._announcer.miss(entry)) is not None:
                exchange.notes["miss"] = miss.reason  # it has been reported
                raise RpcError(miss.error())
            self._cursor.answered(interaction)
            return _outcome(interaction)
        finally:
            self._announcer.ended(entry)
            self._move()

    async def _play(self, exchange: Exchange, interaction: Interaction, pace: Pace) -> None:
        """Play what happened in an interaction: what came after a client's answer waits for that."""
        if not interaction.events:
            return
        misses: list[Miss] = []
        asked: list[tuple[float, anyio.Event]] = []
        async with anyio.create_task_group() as asks:
            for position, event in enumerate(interaction.events):
                live = live_event(event, interaction, exchange.params, exchange.id)
                if event.source != "server" or live is None:
                    continue
                for until, over in asked:
                    if until <= event.at_ms + _ROUNDED_MS:
                        await over.wait()
                if misses:
                    break
                await pace.until(event.at_ms)
                if live.asked:
                    asked.append((event.at_ms + (event.ms or 0.0), anyio.Event()))
                    asks.start_soon(self._ask, exchange, interaction, live, misses, asked[-1][1], pace)
                    await anyio.lowlevel.checkpoint()  # it is sent before anything else is said
                    continue
                await exchange.notify(live.method, live.params)
                if live.method == STREAM_CLOSED and exchange.session.transport == "http":
                    await anyio.sleep(_pause_after(position, interaction))
        if misses:
            raise self._missed(exchange, misses[0])

    async def _ask(
        self,
        exchange: Exchange,
        interaction: Interaction,
        event: Event,
        misses: list[Miss],
        over: anyio.Event,
        pace: Pace,
    ) -> None:
        """Ask the client inside a request, as the server did, which may have taken the question back."""
        taken_back = not event.answered and interaction.outcome not in _GIVEN_UP
        patience = min((event.ms or 0.0) / 1000, _LONGEST_PAUSE) if taken_back else None
        with anyio.move_on_after(patience):
            miss = await self._ask_client(exchange, interaction, event)
            if miss is not None:
                misses.append(miss)
            pace.resumed(event.at_ms + (event.ms or 0.0))
        over.set()

    async def _ask_outside(self, remark: Remark, message: Message) -> None:
        """Ask the client outside any request, as the server did."""
        miss = await self._ask_client(self._session.channel, None, message)
        if miss is not None:
            self._backend.report(miss)
        if message.answered:
            self._done(remark, miss)

    async def _ask_client(
        self, channel: Channel | Exchange, interaction: Interaction | None, event: Event | Message
    ) -> Miss | None:
        """Ask the client, and hold its answer against the recorded one."""
        try:
            answer: Json = {"result": await channel.ask(event.method, event.params)}
        except UnansweredError:
            return None
        except RpcError as error:
            answer = {"error": error.error}
        return self._cursor.answer_differs(interaction, event, answer)

    def _missed(self, exchange: Exchange, miss: Miss) -> RpcError:
        exchange.notes["miss"] = miss.reason
        self._backend.report(miss)
        return RpcError(miss.error())

    def _done(self, remark: Remark, miss: Miss | None = None) -> None:
        self._announcer.done(remark, miss)
        self._said.set()
        self._said = anyio.Event()
        self._move()

    def _move(self) -> None:
        """Have the announcements go on."""
        self._moved.set()
        self._moved = anyio.Event()


def _outcome(interaction: Interaction) -> Json:
    """The recorded result.

    Raises:
        RpcError: The recorded error.
        UnansweredError: There was none.
    """
    if interaction.result is not None:
        return interaction.result
    if interaction.error is not None:
        raise RpcError(interaction.error)
    message = f"The recorded server never answered this request (interaction {interaction.seq})"
    raise UnansweredError.of(CONNECTION_CLOSED, message)


def _pause_after(position: int, interaction: Interaction) -> float:
    """Seconds in which a client comes back to a closed stream: those of the recording, up to a limit.

    Without them it would find on its return what it had to wait for when it was recorded.
    """
    events = interaction.events
    if position + 1 < len(events):
        until = events[position + 1].at_ms
    else:
        until = (interaction.ms or 0.0) + (interaction.proxy_ms or 0.0)
    return min(max(0.0, (until - events[position].at_ms) / 1000), _LONGEST_PAUSE)
