"""Measuring a Streamable HTTP server: blocking sockets that are kept alive."""

from __future__ import annotations

import select
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.measure import CHUNK, INITIALIZED, PATIENCE, Target
from tests.clients.base import HANDSHAKE_VERSION, MODERN_VERSION, Era


def header(head: bytes, name: bytes) -> bytes | None:
    """A header's value from the head of a response; ``name`` in lower case."""
    start = head.lower().find(b"\r\n" + name + b":")
    if start < 0:
        return None
    return head[start + len(name) + 3 :].partition(b"\r\n")[0].strip()


@dataclass
class Connection:
    """One keep-alive HTTP connection with at most one request in flight."""

    socket: socket.socket
    buffer: bytearray = field(default_factory=bytearray)

    def receive(self) -> tuple[bytes, bytes] | None:
        """Read once; gives head and body when the response is whole."""
        chunk = self.socket.recv(CHUNK)
        if not chunk:
            raise ConnectionError("the server closed a keep-alive connection")
        self.buffer += chunk
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self.buffer[:end])
        length = header(head, b"content-length")
        if length is not None:
            whole = len(self.buffer) >= end + 4 + int(length)
        elif header(head, b"transfer-encoding") is None:
            whole = True  # a 202 or 204 without a body
        else:  # chunked; only one response is in flight, so its end is the buffer's end
            whole = self.buffer.endswith(b"\r\n0\r\n\r\n")
        if not whole:
            return None
        body = bytes(self.buffer[end + 4 :])
        self.buffer.clear()
        return head, body


class HttpTarget(Target):
    """A Streamable HTTP server or proxy; ``argv`` makes its command for a port."""

    def __init__(self, name: str, argv: Callable[[int], Sequence[str]], era: Era, stderr: Path) -> None:
        super().__init__(name, era, stderr)
        self._argv = argv
        self.path = "/mcp"
        self._connections: list[Connection] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{self.path}"

    def start(self) -> float:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._session = b""
        started = time.perf_counter()
        self._launch(self._argv(self._port))
        first = self._connect()
        method, request = self._opening()
        head = self._exchange(first, request, method)
        taken = time.perf_counter() - started
        if method == "initialize":
            session = header(head, b"mcp-session-id")
            if session is not None:
                self._session = b"mcp-session-id: " + session + b"\r\n"
            self._send(first, INITIALIZED, "notifications/initialized")
            self._wait(first)
        return taken

    def call(self) -> float:
        self._renew(1)
        request = self._a_call()
        started = time.perf_counter()
        self._exchange(self._connections[0], request, "tools/call")
        return time.perf_counter() - started

    def burst(self, seconds: float, concurrency: int) -> float:
        self._renew(concurrency)
        answered = 0
        in_flight = concurrency
        with selectors.DefaultSelector() as selector:
            started = time.perf_counter()
            end = started + seconds
            for connection in self._connections[:concurrency]:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                self._send(connection, self._a_call(), "tools/call")
            while in_flight:
                ready = selector.select(PATIENCE)
                if not ready:
                    raise self._failed(f"did not answer for {PATIENCE} s")
                for key, _ in ready:
                    response = key.data.receive()
                    if response is None:
                        continue
                    self._check(response[1])
                    answered += 1
                    if time.perf_counter() < end:
                        self._send(key.data, self._a_call(), "tools/call")
                    else:
                        in_flight -= 1
        return answered / (time.perf_counter() - started)

    def stop(self) -> None:
        for connection in self._connections:
            connection.socket.close()
        self._connections.clear()
        super().stop()

    def _renew(self, count: int) -> None:
        """Have so many open connections; servers close those that were idle while others had their turn."""
        for connection in list(self._connections):
            if select.select([connection.socket], [], [], 0)[0]:
                connection.socket.close()
                self._connections.remove(connection)
        while len(self._connections) < count:
            self._connect()

    def _connect(self) -> Connection:
        give_up_at = time.perf_counter() + PATIENCE
        while True:
            try:
                opened = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.perf_counter() > give_up_at:
                    raise self._failed("can't be reached") from None
                time.sleep(0.002)
                continue
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(Connection(opened))
            return self._connections[-1]

    def _send(self, connection: Connection, body: bytes, method: str) -> None:
        version = MODERN_VERSION if self.era == "modern" else HANDSHAKE_VERSION
        routing = ""
        if method != "initialize":
            routing = f"mcp-protocol-version: {version}\r\n"
        if self.era == "modern":
            routing += f"mcp-method: {method}\r\n" + ("mcp-name: fast\r\n" if method == "tools/call" else "")
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\ncontent-type: application/json\r\n"
            f"accept: application/json, text/event-stream\r\ncontent-length: {len(body)}\r\n{routing}"
        )
        connection.socket.sendall(head.encode() + self._session + b"\r\n" + body)

    def _wait(self, connection: Connection) -> tuple[bytes, bytes]:
        while (response := connection.receive()) is None:
            pass
        return response

    def _exchange(self, connection: Connection, body: bytes, method: str) -> bytes:
        self._send(connection, body, method)
        head, answer = self._wait(connection)
        self._check(answer)
        return head
