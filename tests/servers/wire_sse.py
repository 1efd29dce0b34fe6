"""The wire server over legacy HTTP+SSE, its answers spelled as they are over stdio.

    python -m tests.servers.wire_sse PORT

Port 0 takes a free one; ``{"ready": PORT}`` on stdout says which. Each event stream has a server of its own.
"""

from __future__ import annotations

import json
import os
import queue
import select
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.servers.wire import Server

_POLL = 0.02


class StreamServer(Server):
    def __init__(self) -> None:
        super().__init__()
        self.outgoing: queue.SimpleQueue[str] = queue.SimpleQueue()

    def write(self, text: str) -> None:
        self.outgoing.put(text)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    servers: dict[str, StreamServer]

    def do_GET(self) -> None:
        name = os.urandom(8).hex()
        server = self.servers[name] = StreamServer()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self._event("endpoint", f"/messages/{name}")
        while not select.select([self.connection], [], [], 0)[0]:
            try:
                self._event("message", server.outgoing.get(timeout=_POLL))
            except queue.Empty:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        del self.servers[name]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        server = self.servers.get(self.path.removeprefix("/messages/"))
        if server is not None:
            server.receive(body)
        self.send_response(202 if server is not None else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _event(self, name: str, data: str) -> None:
        self.wfile.write(f"event: {name}\ndata: {data}\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Says nothing on stderr."""


def main() -> None:
    _Handler.servers = {}
    serving = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler)
    serving.daemon_threads = True
    print(json.dumps({"ready": serving.server_port}), flush=True)
    serving.serve_forever()


if __name__ == "__main__":
    main()
