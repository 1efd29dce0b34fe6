"""A socket that is ours before anything starts, and the server on it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Literal

import uvicorn

from mcptap.errors import UsageError


class Server(uvicorn.Server):
    """Leaves signals to the command line, which has more to end than a server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def listen_on(host: str, port: int) -> socket.socket:
    """Take the port, or say why not; port 0 takes a free one.

    Raises:
        UsageError: It is in use, or the host isn't ours.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        taken.listen(1024)
    except OSError as error:
        hint = "choose another with --port, or --port 0 for a free one"
        raise UsageError(f"can't listen on {host}:{port}: {error.strerror}", hint) from None
    return taken


def address_of(taken: socket.socket, path: str, scheme: Literal["http", "ws"] = "http") -> str:
    """The URL of a front that listens on a socket."""
    host, port = taken.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}"
