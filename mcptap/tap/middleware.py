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

    wants_fastmcp_context = False

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._observer = Observer(recorder)

    async def __call__(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Record one message: a request with its outcome, before the client learns of that."""
        if not isinstance(context, TapContext):
            return await self._observer.around(context, call_next)
        if context.exchange is not None:
            return await record_request(
                self._recorder, context.exchange, lambda: call_next(context), as_result
            )
        with reported():
            hear(self._recorder, context.session)
            params = context.message if context.message or context.has_params else None
            self._recorder.message(context.session, "client", str(context.method), params)
        return await call_next(context)
