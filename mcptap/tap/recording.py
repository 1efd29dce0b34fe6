"""Recording one request, whatever server it goes through: its outcome, its events, its session."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

import anyio
from mcp.shared.exceptions import MCPError

from mcptap.errors import RecordingError
from mcptap.exchange import INTERNAL_ERROR, Channel, Exchange, RpcError, Session, UnansweredError
from mcptap.model import Json
from mcptap.recorder import OPEN_AFTER, OpenInteraction, Recorder
from mcptap.tap.channel import WireError, raw_error

T = TypeVar("T")


async def record_request(
    recorder: Recorder,
    exchange: Exchange,
    answer: Callable[[], Awaitable[T]],
    to_wire: Callable[[T], Json],
) -> T:
    """Answer a request, and record it with its outcome before anybody learns of that.

    Args:
        recorder: Where it goes.
        exchange: The request; what it says to the client goes through the recorder from here on.
        answer: Gives the answer.
        to_wire: Gives the wire form of that.

    Raises:
        WireError: The request could not be recorded, so its answer must not be seen.
    """
    with reported():
        hear(recorder, exchange.session)
        opened = recorder.begin(exchange)
    exchange.channel = _RecordedChannel(exchange.channel, opened)
    timer = asyncio.get_running_loop().call_later(OPEN_AFTER, _still_open, recorder, opened)
    try:
        result = await answer()
    except MCPError as error:
        with reported():
            if isinstance(error, WireError) and error.unanswered:
                opened.finish(outcome="unanswered")
            else:
                opened.finish(error=raw_error(error), upstream_ms=_upstream_ms(exchange))
        raise
    except anyio.get_cancelled_exc_class():
        cancelled = exchange.cancelled() is not None
        opened.finish(outcome="cancelled" if cancelled else "disconnected")
        raise
    else:
        with reported():
            opened.finish(result=to_wire(result), upstream_ms=_upstream_ms(exchange))
        return result
    finally:
        timer.cancel()
        if opened.lost:
            exchange.notes["gap"] = True


def hear(recorder: Recorder, session: Session) -> None:
    """Record from now on what the server says to this session outside any request."""
    channel = session.channel
    while isinstance(channel, _RecordedSession):
        if channel.recorder is recorder:
            return
        channel = channel.inner
    session.channel = _RecordedSession(session.channel, recorder, session)


def _still_open(recorder: Recorder, opened: OpenInteraction) -> None:
    with contextlib.suppress(RecordingError):  # it has been reported
        recorder.still_open(opened)


class reported:  # noqa: N801 - reads as a statement
    """Turns a failure to record into the error that the client gets instead of an unrecorded answer."""

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RecordingError):
            message = f"mcptap could not record this request: {error.message}"
            raise WireError({"code": INTERNAL_ERROR, "message": message}) from error


class _RecordedChannel:
    """A request's channel whose messages become events of its interaction."""

    def __init__(self, channel: Channel, opened: OpenInteraction) -> None:
        self._channel = channel
        self._opened = opened

    async def notify(self, method: str, params: Json | None) -> None:
        self._opened.event("server", method, params)
        await self._channel.notify(method, params)

    async def ask(self, method: str, params: Json | None) -> Json:
        asking = self._opened.asked(method, params)
        return await _ask(self._channel, method, params, partial(self._opened.answered, asking))


class _RecordedSession:
    """A session's channel whose messages become lines of their own."""

    def __init__(self, inner: Channel, recorder: Recorder, session: Session) -> None:
        self.inner = inner
        self.recorder = recorder
        self._session = session

    async def notify(self, method: str, params: Json | None) -> None:
        self.recorder.message(self._session, "server", method, params)
        await self.inner.notify(method, params)

    async def ask(self, method: str, params: Json | None) -> Json:
        start = time.perf_counter()

        def note(*, result: Json | None = None, error: Json | None = None) -> None:
            ms = (time.perf_counter() - start) * 1000
            self.recorder.message(self._session, "server", method, params, result=result, error=error, ms=ms)

        return await _ask(self.inner, method, params, note)


class _Note(Protocol):
    """Records a server request with the client's answer; with neither where there was none."""

    def __call__(self, *, result: Json | None = None, error: Json | None = None) -> None: ...


async def _ask(channel: Channel, method: str, params: Json | None, note: _Note) -> Json:
    """Ask the client, and record what it answers before the server learns of that."""
    try:
        result = await channel.ask(method, params)
    except (UnansweredError, anyio.get_cancelled_exc_class()):
        with contextlib.suppress(RecordingError):  # it has been reported
            note()
        raise
    except RpcError as error:
        note(error=error.error)
        raise
    note(result=result)
    return result


def _upstream_ms(exchange: Exchange) -> float | None:
    if exchange.sent_at is None or exchange.answered_at is None:
        return None
    return (exchange.answered_at - exchange.sent_at) * 1000
