"""An HTTP server on the loopback that behaves badly in one chosen way.

    python -m tests.servers.http_misbehaving PORT html|401|500|slow|redirect

Port 0 takes a free one. It prints ``{"ready": PORT}`` and then a JSON line for every request that
arrives, so that a test can see what a client sent where. ``redirect`` sends the client to a second
server, which is another origin and answers 200 to everything.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOPBACK = "127.0.0.1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mode: str
    elsewhere = ""

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        seen = {"mode": self.mode, "method": self.command, "path": self.path}
        print(json.dumps(seen | {"headers": dict(self.headers), "body": body.decode()}), flush=True)
        if self.mode == "slow":
            time.sleep(600)
        elif self.mode == "html":
            self.answer(200, "text/html", b"<html><body>Sign in</body></html>")
        elif self.mode == "401":
            challenge = 'Bearer realm="mcp", resource_metadata="https://example.com/.well-known/x"'
            self.answer(401, "application/json", b'{"error":"unauthorized"}', {"WWW-Authenticate": challenge})
        elif self.mode == "500":
            self.answer(500, "text/plain", b"it broke")
        elif self.mode == "redirect":
            self.answer(307, "text/plain", b"", {"Location": self.elsewhere + self.path})
        else:
            self.answer(200, "application/json", b"{}")

    do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - the base class looks for these names

    def answer(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Says nothing on stderr: stdout tells what arrived."""


def _server(port: int, handler: type[_Handler]) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer((LOOPBACK, port), handler)
    server.daemon_threads = True
    return server


def main(port: int, mode: str) -> None:
    class Handler(_Handler):
        pass

    class Elsewhere(_Handler):
        pass

    Handler.mode = mode
    Elsewhere.mode = "elsewhere"
    if mode == "redirect":
        other = _server(0, Elsewhere)
        Handler.elsewhere = f"http://{LOOPBACK}:{other.server_port}"
        threading.Thread(target=other.serve_forever, daemon=True).start()
    server = _server(port, Handler)
    print(json.dumps({"ready": server.server_port}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in ("html", "401", "500", "slow", "redirect"):
        sys.exit(__doc__)
    main(int(sys.argv[1]), sys.argv[2])
