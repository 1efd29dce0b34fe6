"""A stdio server that behaves badly in one chosen way.

python -m tests.servers.misbehaving exit | rubbish | rubbish-then-fine | silent
python -m tests.servers.misbehaving ignores-eof [FILE]   # its pids, as JSON, go to FILE and stderr
python -m tests.servers.misbehaving exit-after COUNT
python -m tests.servers.misbehaving exit-on METHOD   # else a good server of the handshake era
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

if not __package__:  # run by path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.servers.wire import Server
from tests.servers.wire_call import Call

LIFE = 300
"""Seconds after which the one that ignores everything ends by itself."""


def _exit_at_once(argument: str | None) -> None:
    print("misbehaving: can't start today", file=sys.stderr, flush=True)
    sys.exit(7)


def _print_rubbish(count: int) -> None:
    for number in range(count):
        print(f"rubbish {number} {{not: json", flush=True)


def _rubbish(argument: str | None) -> None:
    _print_rubbish(20)
    while True:  # ends by SIGPIPE's error once nobody reads
        time.sleep(0.05)
        try:
            _print_rubbish(1)
        except BrokenPipeError:
            os._exit(0)


def _rubbish_then_fine(argument: str | None) -> None:
    _print_rubbish(3)
    Server().serve()


def _silent(argument: str | None) -> None:
    for _ in sys.stdin.buffer:
        pass


def _ignore_eof(report: str | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # inherited by the grandchild, on purpose
    grandchild = subprocess.Popen(["sleep", str(LIFE)], stdin=subprocess.DEVNULL)
    pids = json.dumps({"pid": os.getpid(), "grandchild": grandchild.pid})
    print(pids, file=sys.stderr, flush=True)
    if report is not None:
        Path(report).write_text(pids)
    Server().serve()
    time.sleep(LIFE)


class _ShortLived(Server):
    """Serves a number of answers, then exits with code 9."""

    left: int

    def answer(self, call: Call, outcome: str) -> None:
        super().answer(call, outcome)
        self.left -= 1
        if self.left == 0:
            os._exit(9)


def _exit_after(count: str | None) -> None:
    server = _ShortLived()
    server.left = int(count or 1)
    server.serve()


class _Touchy(Server):
    """Serves the handshake era, and exits with code 8 when it is sent one method."""

    method = ""

    def receive(self, text: str) -> None:
        if json.loads(text).get("method") == self.method:
            os._exit(8)
        super().receive(text)


def _exit_on(method: str | None) -> None:
    server = _Touchy("handshake")
    server.method = method or ""
    server.serve()


MODES = {
    "exit": _exit_at_once,
    "rubbish": _rubbish,
    "rubbish-then-fine": _rubbish_then_fine,
    "silent": _silent,
    "ignores-eof": _ignore_eof,
    "exit-after": _exit_after,
    "exit-on": _exit_on,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in MODES:
        sys.exit(__doc__)
    MODES[sys.argv[1]](sys.argv[2] if len(sys.argv) > 2 else None)
