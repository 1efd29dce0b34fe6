"""The wire server over WebSocket, its answers spelled as they are over stdio.

    python -m tests.servers.wire_socket PORT

Port 0 takes a free one; ``{"ready": PORT}`` on stdout says which. Each socket has a server of its own.
"""

from __future__ import annotations

import contextlib
import json
import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.servers.wire import Server


class SocketServer(Server):
    def __init__(self, socket: ServerConnection) -> None:
        super().__init__()
        self._socket = socket

    def write(self, text: str) -> None:
        with self._writing, contextlib.suppress(ConnectionClosed):
            self._socket.send(text)


def speak(socket: ServerConnection) -> None:
    server = SocketServer(socket)
    for text in socket:
        assert isinstance(text, str)
        server.receive(text)


def main() -> None:
    port = int(sys.argv[1])
    with serve(speak, "127.0.0.1", port, subprotocols=[Subprotocol("mcp")], max_size=None) as serving:
        print(json.dumps({"ready": serving.socket.getsockname()[1]}), flush=True)
        serving.serve_forever()


if __name__ == "__main__":
    main()
