"""The wire server over Streamable HTTP, its answers spelled as they are over stdio, without any SDK.

    python -m tests.servers.wire_http PORT [--era handshake|modern|both] [--json] [--log FILE]

Port 0 takes a free one; ``{"ready": PORT}`` on stdout says which. The endpoint is ``/mcp``. Each
handshake session has a server of its own; all modern requests share one. With ``--json`` answers are
JSON bodies where nothing else is to be said, else event streams. FILE gets a JSON line for every HTTP
request.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import select
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.servers import wire_answers as answers
from tests.servers.wire import Server
from tests.servers.wire_call import Call, members

Stream = queue.SimpleQueue[str | None]
_POLL = 0.02


class SessionServer(Server):
    """A wire server that says everything on the stream where it belongs."""

    def __init__(self, era: str) -> None:
        super().__init__(era)
        self.streams: dict[str, Stream] = {}
        self.standalone: Stream = queue.SimpleQueue()
        self._here = threading.local()

    def write(self, text: str) -> None:
        message = members(text)
        if "method" not in message:
            stream = self.streams.pop(message["id"], None)
            if stream is not None:
                stream.put(text)
                stream.put(None)
            return
        meta = members(members(message.get("params", "{}")).get("_meta", "{}"))
        origin = meta.get(answers.SUBSCRIPTION_META, getattr(self._here, "id", ""))
        self.streams.get(origin, self.standalone).put(text)

    def _respond(self, call: Call) -> None:
        self._here.id = call.id
        super()._respond(call)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1000  # by default 5 connections can wait, and a crowd's others take seconds


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    sessions: dict[str, SessionServer]
    modern: SessionServer
    era: str
    as_json: bool
    log: int | None

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self._note(body)
        message = members(body)
        session_id = self.headers.get("mcp-session-id", "")
        is_modern = self.headers.get("mcp-protocol-version") == answers.MODERN_VERSION
        is_initialize = message.get("method") == '"initialize"'
        if is_initialize:
            session_id = os.urandom(8).hex()
            self.sessions[session_id] = SessionServer(self.era)
        server = self.modern if is_modern else self.sessions.get(session_id)
        if server is None:
            self._empty(404)
        elif "method" not in message or "id" not in message:
            server.receive(body)
            self._empty(202)
        else:
            stream = server.streams[message["id"]] = queue.SimpleQueue()
            server.receive(body)
            self._answer(server, message["id"], stream, session_id if is_initialize else "")

    def do_GET(self) -> None:
        self._note("")
        server = self.sessions.get(self.headers.get("mcp-session-id", ""))
        if server is None:
            self._empty(405)
            return
        self._events(server.standalone, None, "")

    def do_DELETE(self) -> None:
        self._note("")
        found = self.sessions.pop(self.headers.get("mcp-session-id", ""), None)
        if found is not None:
            found.standalone.put(None)
        self._empty(200 if found else 404)

    def _answer(self, server: SessionServer, identity: str, stream: Stream, session_id: str) -> None:
        first = self._next(stream)
        if self.as_json and first is not None and "method" not in members(first):
            body = first.encode()
            self._head(200, "application/json", session_id, length=len(body))
            self.wfile.write(body)
        elif not self._events(stream, first, session_id) and server is self.modern:
            # In the modern era closing the stream is how a client cancels.
            server.receive(
                f'{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{identity}}}}}'
            )

    def _events(self, stream: Stream, text: str | None, session_id: str) -> bool:
        """Write a stream to its end; whether the client stayed for it."""
        self._head(200, "text/event-stream", session_id)
        try:
            if text is None:
                self.wfile.write(b": welcome\n\n")
                text = self._next(stream)
            while text is not None:
                self.wfile.write(f"event: message\ndata: {text}\n\n".encode())
                text = self._next(stream)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return not self._gone()

    def _next(self, stream: Stream) -> str | None:
        """The next message, or None at the end of the stream or when the client has gone."""
        while True:
            try:
                return stream.get(timeout=_POLL)
            except queue.Empty:
                if self._gone():
                    return None

    def _gone(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable)

    def _head(self, status: int, kind: str, session_id: str, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if session_id:
            self.send_header("Mcp-Session-Id", session_id)
        if length is None:
            self.send_header("Connection", "close")  # the end of the body is the end of the connection
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _empty(self, status: int) -> None:
        self._head(status, "text/plain", "", length=0)

    def _note(self, body: str) -> None:
        if self.log is not None:
            seen: dict[str, Any] = {"method": self.command, "headers": dict(self.headers), "body": body}
            os.write(self.log, json.dumps(seen).encode() + b"\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Says nothing on stderr."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--era", choices=("handshake", "modern", "both"), default="both")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    _Handler.sessions = {}
    _Handler.era = options.era
    _Handler.modern = SessionServer(options.era)
    _Handler.as_json = options.json
    _Handler.log = None
    if options.log is not None:
        _Handler.log = os.open(options.log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    serving = _HttpServer(("127.0.0.1", options.port), _Handler)
    print(json.dumps({"ready": serving.server_port}), flush=True)
    serving.serve_forever()


if __name__ == "__main__":
    main()
