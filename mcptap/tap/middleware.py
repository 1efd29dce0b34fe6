"""`TapMiddleware`: an ordinary FastMCP middleware that records every request with its answer."""

from __future__ import annotations

from typing import Any

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext

from mcptap.recorder import Recorder
from mcptap.tap.channel import as_result
from mcptap.tap.hop import TapContext
from mcptap.tap.observer import Observer
from mcptap.tap.recording import hear, record_request, reported


class TapMiddleware(Middleware):
    """Records what goes through the server that it is added to.

    In a tap it gets the seam's exchange with every message. Added to any other FastMCP server, or to a
    ``create_proxy(...)``, it has an observer look at the raw messages of that server.

    Args:
        recorder: Where it goes.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._observer = Observer(recorder)

    async def __call__(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Take one message, in a tap or elsewhere."""
        if isinstance(context, TapContext):
            return await super().__call__(context, call_next)
        return await self._observer.around(context, call_next)

    async def on_request(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Record a request with its outcome, before the client learns of it."""
        if not isinstance(context, TapContext) or context.exchange is None:
            return await call_next(context)
        return await record_request(self._recorder, context.exchange, lambda: call_next(context), as_result)

    async def on_notification(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Record a notification of the client."""
        if isinstance(context, TapContext) and context.method is not None:
            with reported():
                hear(self._recorder, context.session)
                self._recorder.message(context.session, "client", context.method, context.message or None)
        return await call_next(context)
