"""Raw MCP clients for the tests: they send what they are told and keep what arrives, to the digit.

`PipeClient` and `HttpClient` have one interface (`Client`), so that one test can run over both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.clients.base import (
    CAPABILITIES,
    CLIENT_INFO,
    HANDSHAKE_VERSION,
    MODERN_VERSION,
    Client,
    Era,
    modern_meta,
)
from tests.clients.exact import Message, Number, parse, spell
from tests.clients.pipe import PipeClient
from tests.clients.streamable import Event, HttpClient

__all__ = [
    "CAPABILITIES",
    "CLIENT_INFO",
    "HANDSHAKE_VERSION",
    "MODERN_VERSION",
    "Client",
    "Era",
    "Event",
    "HttpClient",
    "Message",
    "Number",
    "PipeClient",
    "handshake",
    "modern_meta",
    "parse",
    "spell",
]


async def handshake(
    client: Client, *, version: str = HANDSHAKE_VERSION, capabilities: Mapping[str, Any] = CAPABILITIES
) -> Message:
    """Open the session as the client's era does it, and give the server's answer.

    Handshake: ``initialize``, ``notifications/initialized`` and, over HTTP, the GET stream. Modern:
    ``server/discover``.
    """
    if client.era == "modern":
        return await client.request("server/discover")
    params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": CLIENT_INFO}
    answer = await client.request("initialize", params)
    if "result" in answer.body:
        await client.notify("notifications/initialized")
        if isinstance(client, HttpClient):
            await client.listen()
    return answer
