"""Faults on the way to a client, outside of all that records: none is taken for the server's doing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, TypeVar
from weakref import WeakKeyDictionary

import anyio

from mcptap.exchange import Channel, DisconnectedError, Exchange, RpcError, Session
from mcptap.faults import Decision, Fault, FaultPlan, SessionFaults
from mcptap.model import Json
from mcptap.player import Hit
from mcptap.tap.disturbing import Disturb
from mcptap.tap.peer import CONNECTION_CLOSED

T = TypeVar("T")
_WITHOUT_ANSWER: Final = ("hang", "error", "disconnect")


class Faulting:
    """Lets requests go wrong by a plan.

    Args:
        plan: The plan.

    Attributes:
        plan: The same.
        struck: How many requests have gone wrong.
    """

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self.struck = 0
        self._sessions: WeakKeyDictionary[Session, SessionFaults] = WeakKeyDictionary()
        self._opened = 0

    async def request(
        self, exchange: Exchange, answer: Callable[[], Awaitable[T]], disturb: Disturb | None
    ) -> T:
        """Answer a request, if it is to be answered.

        Args:
            exchange: The request.
            answer: Gives the answer.
            disturb: Reaches below the messages, where the client's transport allows for it.

        Raises:
            RpcError: The fault is an error, or an end of the connection that can't be had.
        """
        decision = self._session(exchange.session).decide(exchange.method, exchange.params)
        if decision is None:
            return await answer()
        self.struck += 1
        fault = decision.fault
        if decision.events:
            exchange.channel = _LateChannel(exchange.channel, decision.events)
        began = time.perf_counter()
        await anyio.sleep(decision.delay)
        if fault.ending in _WITHOUT_ANSWER:
            await _give_up(fault, disturb)
        failure = None
        try:
            result = await answer()
        except RpcError as error:
            failure = error
        await anyio.sleep(_left(decision, exchange, began))
        if disturb is not None:
            disturb(fault)
        if failure is not None:
            raise failure
        return result

    def _session(self, session: Session) -> SessionFaults:
        found = self._sessions.get(session)
        if found is None:
            self._opened += 1
            found = self._sessions[session] = self.plan.session(self._opened)
        return found


async def _give_up(fault: Fault, disturb: Disturb | None) -> NoReturn:
    """End a request that the server never sees."""
    if fault.ending == "hang":
        await anyio.sleep_forever()
    if disturb is not None:
        disturb(fault)
    if fault.ending == "disconnect":
        kind = RpcError if disturb is None else DisconnectedError
        raise kind.of(CONNECTION_CLOSED, "A fault of mcptap's: the connection ends here")
    raise RpcError.of(fault.code, fault.message)


def _left(decision: Decision, exchange: Exchange, began: float) -> float:
    """Seconds until the answer comes so many times as late as the recording, or the server, had it."""
    delay = decision.fault.delay
    if delay is None or delay.kind != "recorded":
        return 0.0
    took = 0.0
    if isinstance(hit := exchange.notes.get("replayed"), Hit):
        took = ((hit.interaction.ms or 0.0) + (hit.interaction.proxy_ms or 0.0)) / 1000
    elif exchange.sent_at is not None and exchange.answered_at is not None:
        took = exchange.answered_at - exchange.sent_at
    return max(0.0, began + took * delay.high - time.perf_counter())


class _LateChannel:
    """A way to the client on which every notification is late."""

    def __init__(self, channel: Channel, delay: float) -> None:
        self._channel = channel
        self._delay = delay

    async def notify(self, method: str, params: Json | None) -> None:
        await anyio.sleep(self._delay)
        await self._channel.notify(method, params)

    async def ask(self, method: str, params: Json | None) -> Json:
        return await self._channel.ask(method, params)
