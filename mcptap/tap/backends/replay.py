"""A recording as a backend."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import anyio

from mcptap.exchange import Exchange, RpcError, Session, UnansweredError
from mcptap.matching.live import live_event
from mcptap.matching.miss import Miss
from mcptap.matching.refusal import Refusal
from mcptap.model import Event, Interaction, Json, Message
from mcptap.player import Cursor, Hit, Player, Pong
from mcptap.protocol import STREAM_CLOSED
from mcptap.tap.peer import CONNECTION_CLOSED

_LONGEST_PAUSE: Final = 1.0


class CassetteBackend:
    """Answers from a cassette.

    Args:
        player: Finds the answers.
        report: Takes the explanation of every miss.
    """

    def __init__(self, player: Player, report: Callable[[str], None]) -> None:
        self.player = player
        self.report = report

    @contextlib.asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[_CassetteSession]:
        """Open a session, which starts at the beginning; see `Backend.session`."""
        async with anyio.create_task_group() as tasks:
            opened = _CassetteSession(self, session, self.player.cursor())
            tasks.start_soon(opened.speak)
            yield opened
            tasks.cancel_scope.cancel()


class _CassetteSession:
    def __init__(self, backend: CassetteBackend, session: Session, cursor: Cursor) -> None:
        self._backend = backend
        self._session = session
        self._cursor = cursor
        self._say, self._said = anyio.create_memory_object_stream[Message](float("inf"))

    async def speak(self) -> None:
        """Say what the server said outside any request: after what it followed, and in order."""
        async for message in self._said:
            if message.result is None and message.error is None:
                await self._session.channel.notify(message.method, message.params)
                continue
            try:
                answer: Json = {"result": await self._session.channel.ask(message.method, message.params)}
            except RpcError as error:
                answer = {"error": error.error}
            miss = self._backend.player.message_answer_differs(message, answer)
            if miss is not None:
                self._backend.report(miss.text())

    def _say_all(self, messages: list[Message]) -> None:
        for message in messages:
            self._say.send_nowait(message)

    async def request(self, exchange: Exchange) -> Json:
        found = self._cursor.find(exchange.session.era, exchange.method, exchange.params)
        match found:
            case Hit():
                exchange.notes["repeat" if found.repeat else "hit"] = found.interaction.seq
                try:
                    return await self._play(exchange, found.interaction)
                finally:
                    self._say_all(self._cursor.following(found))
            case Pong():
                return found.result
            case Refusal():
                raise RpcError(found.error)
            case Miss():
                raise self._missed(exchange, found)

    async def notify(self, method: str, params: Json | None) -> None:
        """Take a notification: in the recording, the server may have said something after it."""
        self._say_all(self._cursor.notified(self._session.era, method, params))

    async def _play(self, exchange: Exchange, interaction: Interaction) -> Json:
        """Play what happened in an interaction, and give its outcome."""
        for position, event in enumerate(interaction.events):
            if event.source != "server":
                continue
            live = live_event(event, interaction, exchange.params, exchange.id)
            if live is None:
                continue
            if live.asked:
                await self._ask(exchange, interaction, live)
            else:
                await exchange.notify(live.method, live.params)
            if live.method == STREAM_CLOSED and exchange.session.transport == "http":
                await anyio.sleep(_pause_after(position, interaction))
        if interaction.result is not None:
            return interaction.result
        if interaction.error is not None:
            raise RpcError(interaction.error)
        if interaction.outcome == "unanswered":
            message = f"The recorded server never answered this request (interaction {interaction.seq})"
            raise UnansweredError.of(CONNECTION_CLOSED, message)
        await anyio.sleep_forever()  # the client gave it up, and will again
        raise AssertionError

    async def _ask(self, exchange: Exchange, interaction: Interaction, event: Event) -> None:
        """Ask the client as the server did, and hold its answer against the recorded one."""
        try:
            answer: Json = {"result": await exchange.ask(event.method, event.params)}
        except RpcError as error:
            answer = {"error": error.error}
        miss = self._backend.player.answer_differs(interaction, event, answer)
        if miss is not None:
            raise self._missed(exchange, miss)

    def _missed(self, exchange: Exchange, miss: Miss) -> RpcError:
        exchange.notes["miss"] = miss.reason
        self._backend.report(miss.text())
        return RpcError(miss.error())


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
