"""The way of a FastMCP client to a tap in its own process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from fastmcp.client.transports import FastMCPTransport
from fastmcp.client.transports.base import SessionKwargs, TransportOptions
from mcp import ClientSession
from typing_extensions import Unpack

from mcptap.tap.private import FrugalClientSession


class InProcess(FastMCPTransport):
    """FastMCP's in-memory transport, for many clients of the same server, each of which does little."""

    @contextlib.asynccontextmanager
    async def connect_session(
        self, *, transport_options: TransportOptions | None = None, **session_kwargs: Unpack[SessionKwargs]
    ) -> AsyncIterator[ClientSession]:
        """Connect as FastMCP does."""
        options = transport_options or TransportOptions()
        if options.session_class is ClientSession:
            options = replace(options, session_class=FrugalClientSession)
        async with super().connect_session(transport_options=options, **session_kwargs) as session:
            yield session
