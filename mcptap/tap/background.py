"""A tap that is served over HTTP in a thread, for tests whose client is no FastMCP client."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import anyio
from anyio.from_thread import start_blocking_portal

from mcptap.tap.app import Tap
from mcptap.tap.http_front import serve_http
from mcptap.tap.listening import address_of, listen_on

_PATH = "/mcp"


@contextlib.contextmanager
def serving(tap: Tap) -> Iterator[str]:
    """Serve a tap over Streamable HTTP on a free port of this machine's own, until the context is left.

    Args:
        tap: The tap; nothing else may use it meanwhile.

    Yields:
        Its URL.
    """
    taken = listen_on("127.0.0.1", 0)
    address = address_of(taken, _PATH, "http")
    with start_blocking_portal() as portal:
        stop = portal.call(anyio.Event)

        async def serve() -> None:
            await serve_http(tap, taken, transport="http", path=_PATH, stop=stop)

        served = portal.start_task_soon(serve)
        try:
            yield address
        finally:
            portal.call(stop.set)
            served.result()
