"""A newline-JSON MCP server over stdio whose every answer is a JSON text written by hand.

It uses no SDK, so that number spellings, unknown members and odd strings arrive as they were written
and a test can tell what a proxy changed. It speaks both eras: a request that carries its protocol
version in ``_meta`` is modern, any other belongs to the handshake era.

    python -m tests.servers.wire [--era handshake|modern|both] [--log FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

if not __package__:  # run by path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.servers import wire_answers as answers
from tests.servers import wire_tools as tools
from tests.servers.wire_call import Call, RefusedError, members


class Server:
    """One process's state: what is open, what was heard, and the one way to write."""

    def __init__(self, era: str = "both", log: Path | None = None) -> None:
        self.era = era
        self.notifications: list[str] = []
        self.listening: dict[str, dict[str, Any]] = {}
        self.states: dict[str, int] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.counted = 0
        self._asked: dict[str, Call] = {}
        self._waiting: dict[str, Call] = {}
        self._writing = threading.Lock()
        self._log = None if log is None else os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def write(self, text: str) -> None:
        """Write one line; calls in other threads never interleave with it."""
        rest = text.encode() + b"\n"
        with self._writing:
            while rest:
                try:
                    rest = rest[os.write(1, rest) :]
                except BrokenPipeError:  # nobody is left to serve
                    os._exit(0)

    def notify(self, method: str, params: str | None = None) -> None:
        more = "" if params is None else f',"params":{params}'
        self.write(f'{{"jsonrpc":"2.0","method":"{method}"{more}}}')

    def ask(
        self, call: Call, method: str, params: str, *, patience: float | None = None
    ) -> dict[str, str] | None:
        """Send a request to the client and wait for the message that answers it; None if cancelled.

        After ``patience`` seconds, where they are limited, it is taken back.
        """
        with self._writing:
            number = len(self._asked) + 1
            # Elicitations are numbered like the client's own requests, which a proxy must not mix up.
            identity = str(number) if method == "elicitation/create" else f'"asked-{number}"'
            self._asked[identity] = call
        self.write(f'{{"jsonrpc":"2.0","id":{identity},"method":"{method}","params":{params}}}')
        try:
            return call.inbox.get(timeout=patience)
        except queue.Empty:
            self.notify("notifications/cancelled", f'{{"requestId":{identity},"reason":"too late"}}')
            return {"result": '"taken back"'}

    def answer(self, call: Call, outcome: str) -> None:
        """Answer with ``outcome``, which is a whole ``result`` or ``error`` member."""
        self._waiting.pop(call.id, None)
        self.write(f'{{"jsonrpc":"2.0","id":{call.id},{outcome}}}')

    def serve(self) -> None:
        """Read lines until stdin closes."""
        for line in sys.stdin.buffer:
            if self._log is not None:
                os.write(self._log, line)
            if line.strip():
                self.receive(line.decode())

    def receive(self, text: str) -> None:
        message = members(text)
        if "method" not in message:
            asking = self._asked.get(message.get("id", ""))
            if asking is not None:
                asking.inbox.put(message)
            return
        method = str(json.loads(message["method"]))
        if "id" not in message:
            self._hear(method, message.get("params"))
            return
        params = message.get("params", "{}")
        call = Call(message["id"], method, params, self._is_modern(method, params))
        if method == "tools/call" and call.text("name") in tools.WAITING:
            self._waiting[call.id] = call
            threading.Thread(target=self._respond, args=(call,), daemon=True).start()
        else:
            self._respond(call)

    def _is_modern(self, method: str, params: str) -> bool:
        if self.era == "handshake" or method == "initialize":
            return False
        return answers.VERSION_META in members(members(params).get("_meta", "{}"))

    def _hear(self, method: str, params: str | None) -> None:
        more = "" if params is None else f',"params":{params}'
        self.notifications.append(f'{{"method":{json.dumps(method)}{more}}}')
        if method == "notifications/cancelled" and params is not None:
            identity = members(params).get("requestId", "")
            self.listening.pop(identity, None)
            waiting = self._waiting.pop(identity, None)
            if waiting is not None:
                waiting.inbox.put(None)

    def _respond(self, call: Call) -> None:
        try:
            result = self._result(call)
        except RefusedError as refused:
            self.answer(call, f'"error":{refused.error}')
            return
        if result is None:
            return
        if call.modern and not result.startswith('{"resultType"'):
            rest = result[1:] if result == "{}" else "," + result[1:]
            result = '{"resultType":"complete"' + answers.CACHEABLE.get(call.method, "") + rest
        self.answer(call, f'"result":{result}')
        if call.method == "tools/call" and call.text("name") == "change":
            tools.announce_changes(self, call)

    def _result(self, call: Call) -> str | None:
        if call.method == "initialize":
            return self._initialize(call)
        if call.method == "server/discover" and self.era == "handshake":
            raise RefusedError.of(-32601, "Method not found", '"server/discover"')
        self._check_version(call)
        if call.method == "tools/call":
            return tools.run(self, call)
        if call.method in answers.ANSWERS:
            return answers.ANSWERS[call.method]
        method = tools.METHODS.get(call.method)
        if method is None:
            raise RefusedError.of(-32601, "Method not found", json.dumps(call.method))
        return method(self, call)

    def _initialize(self, call: Call) -> str:
        requested = call.text("protocolVersion")
        if self.era == "modern":
            self._refuse_version(requested)
        known = requested in answers.HANDSHAKE_VERSIONS
        return answers.INITIALIZE.replace("VERSION", requested if known else answers.HANDSHAKE_VERSIONS[-1])

    def _check_version(self, call: Call) -> None:
        if call.modern:
            version = json.loads(call.meta[answers.VERSION_META])
            if version != answers.MODERN_VERSION:
                self._refuse_version(version)
        elif self.era == "modern" or call.method == "server/discover":
            raise RefusedError.of(-32602, f"_meta is missing {answers.VERSION_META}")

    def _refuse_version(self, requested: Any) -> None:
        supported = [answers.MODERN_VERSION]
        if self.era == "both":
            supported = [*answers.HANDSHAKE_VERSIONS, answers.MODERN_VERSION]
        data = {"supported": supported, "requested": requested}
        raise RefusedError.of(-32022, "Unsupported protocol version", json.dumps(data))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--era", choices=("handshake", "modern", "both"), default="both")
    parser.add_argument("--log", type=Path, help="append every received line to this file")
    options = parser.parse_args()
    Server(options.era, options.log).serve()


if __name__ == "__main__":
    main()
