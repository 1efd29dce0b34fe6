"""`TapMiddleware`: an ordinary FastMCP middleware that records every request with its answer.

In a tap it gets the seam's exchange with every message. Added to any other FastMCP server, or to a
`create_proxy(...)`, it makes the exchange itself, from the raw messages of that server.
"""

from __future__ import annotations

import time
from typing import Any

import anyio
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp.shared.exceptions import MCPError

from mcptap.errors import RecordingError
from mcptap.exchange import INTERNAL_ERROR, Channel, Exchange, RpcError, Session
from mcptap.model import Json
from mcptap.recorder import OpenInteraction, Recorder
from mcptap.tap.channel import WireError, raw_error
from mcptap.tap.hop import TapContext


class TapMiddleware(Middleware):
    """Records what goes through the server that it is added to.

    Args:
        recorder: Where it goes.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def on_request(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Record a request with its outcome, before the client learns of it."""
        if not isinstance(context, TapContext) or context.exchange is None:
            return await call_next(context)
        exchange = context.exchange
        with _reported():
            self._hear(context.session)
            opened = self._recorder.begin(exchange)
        exchange.channel = _RecordedChannel(exchange.channel, opened)
        try:
            result = await call_next(context)
        except MCPError as error:
            with _reported():
                if isinstance(error, WireError) and error.unanswered:
                    opened.finish(outcome="unanswered")
                else:
                    opened.finish(error=raw_error(error), upstream_ms=_upstream_ms(exchange))
            raise
        except anyio.get_cancelled_exc_class():
            cancelled = exchange.cancelled() is not None
            opened.finish(outcome="cancelled" if cancelled else "disconnected")
            raise
        with _reported():
            opened.finish(result=result, upstream_ms=_upstream_ms(exchange))
        return result

    async def on_notification(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Record a notification of the client."""
        if isinstance(context, TapContext) and context.method is not None:
            with _reported():
                self._hear(context.session)
                self._recorder.message(context.session, "client", context.method, context.message or None)
        return await call_next(context)

    def _hear(self, session: Session) -> None:
        """Record from now on what the server says to this session outside any request."""
        if not isinstance(session.channel, _RecordedSession):
            session.channel = _RecordedSession(session.channel, self._recorder, session)


class _RecordedChannel:
    """A request's channel whose messages become events of its interaction."""

    def __init__(self, channel: Channel, opened: OpenInteraction) -> None:
        self._channel = channel
        self._opened = opened

    async def notify(self, method: str, params: Json | None) -> None:
        self._opened.event("server", method, params)
        await self._channel.notify(method, params)

    async def ask(self, method: str, params: Json | None) -> Json:
        at_ms = self._opened.elapsed_ms()
        try:
            result = await self._channel.ask(method, params)
        except RpcError as error:
            self._opened.event("server", method, params, at_ms=at_ms, error=error.error)
            raise
        self._opened.event("server", method, params, at_ms=at_ms, result=result)
        return result


class _RecordedSession:
    """A session's channel whose messages become lines of their own."""

    def __init__(self, channel: Channel, recorder: Recorder, session: Session) -> None:
        self._channel = channel
        self._recorder = recorder
        self._session = session

    async def notify(self, method: str, params: Json | None) -> None:
        self._recorder.message(self._session, "server", method, params)
        await self._channel.notify(method, params)

    async def ask(self, method: str, params: Json | None) -> Json:
        start = time.perf_counter()
        result, error = None, None
        try:
            result = await self._channel.ask(method, params)
        except RpcError as refused:
            error = refused.error
            raise
        finally:
            ms = (time.perf_counter() - start) * 1000
            self._recorder.message(self._session, "server", method, params, result=result, error=error, ms=ms)
        return result


class _reported:  # noqa: N801 - reads as a statement
    """Turns a failure to record into the error that the client gets instead of an unrecorded answer."""

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RecordingError):
            message = f"mcptap could not record this request: {error.message}"
            raise WireError({"code": INTERNAL_ERROR, "message": message}) from error


def _upstream_ms(exchange: Exchange) -> float | None:
    if exchange.sent_at is None or exchange.answered_at is None:
        return None
    return (exchange.answered_at - exchange.sent_at) * 1000
