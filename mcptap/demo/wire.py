"""A FastMCP client transport that keeps a copy of every message that comes from the server.

FastMCP's client gives models, in which an unknown field or the progress of another call would be
lost; the demo compares what came over the wire.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Self

from fastmcp.client.transports import StdioTransport
from fastmcp.client.transports.base import SessionKwargs, TransportOptions
from mcp import ClientSession
from mcp.shared.message import SessionMessage
from typing_extensions import Unpack

from mcptap.model import Json


class WatchedTransport(StdioTransport):
    """A stdio transport; ``watch`` gets every message that arrives, before the client does."""

    def __init__(self, argv: list[str], watch: Callable[[Json], None], **options: Any) -> None:
        super().__init__(argv[0], argv[1:], keep_alive=False, **options)
        self._watch = watch

    @contextlib.asynccontextmanager
    async def connect_session(
        self, *, transport_options: TransportOptions | None = None, **session_kwargs: Unpack[SessionKwargs]
    ) -> AsyncIterator[ClientSession]:
        """Open the session, watched; see `ClientTransport.connect_session`."""
        options = replace(
            transport_options or TransportOptions(), session_class=_watched_session(self._watch)
        )
        async with super().connect_session(transport_options=options, **session_kwargs) as session:
            yield session


def _watched_session(watch: Callable[[Json], None]) -> type[ClientSession]:
    class WatchedSession(ClientSession):
        def __init__(self, read_stream: Any, write_stream: Any, **options: Any) -> None:
            super().__init__(_WatchedStream(read_stream, watch), write_stream, **options)

    return WatchedSession


class _WatchedStream:
    """The stream of arriving messages."""

    def __init__(self, stream: Any, watch: Callable[[Json], None]) -> None:
        self._stream = stream
        self._watch = watch

    async def receive(self) -> SessionMessage | Exception:
        return self._watched(await self._stream.receive())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return self._watched(await self._stream.__anext__())

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> bool | None:
        left: bool | None = await self._stream.__aexit__(*error)
        return left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _watched(self, item: SessionMessage | Exception) -> SessionMessage | Exception:
        if isinstance(item, SessionMessage):
            self._watch(item.message.model_dump(mode="json", by_alias=True, exclude_unset=True))
        return item
