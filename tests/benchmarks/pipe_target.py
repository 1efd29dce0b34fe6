"""Measuring a stdio server: blocking reads and writes on its pipes."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measure import CHUNK, INITIALIZED, PATIENCE, Target
from tests.clients.base import Era


class PipeTarget(Target):
    """A stdio server or proxy; it ends when its stdin closes."""

    _ends_by_itself = True

    def __init__(self, name: str, argv: Sequence[str], era: Era, stderr: Path) -> None:
        super().__init__(name, era, stderr)
        self._argv = argv

    def start(self) -> float:
        started = time.perf_counter()
        process = self._launch(self._argv)
        assert process.stdin
        assert process.stdout
        self._stdin, self._stdout = process.stdin.fileno(), process.stdout.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._rest = b""
        method, request = self._opening()
        os.write(self._stdin, request + b"\n")
        self._read(1)
        taken = time.perf_counter() - started
        if method == "initialize":
            os.write(self._stdin, INITIALIZED + b"\n")
        return taken

    def call(self) -> float:
        request = self._a_call() + b"\n"
        started = time.perf_counter()
        os.write(self._stdin, request)
        self._read(1)
        return time.perf_counter() - started

    def burst(self, seconds: float, concurrency: int) -> float:
        answered = 0
        in_flight = 0
        wanted = concurrency
        started = time.perf_counter()
        end = started + seconds
        while True:
            if time.perf_counter() < end:
                os.write(self._stdin, b"".join(self._a_call() + b"\n" for _ in range(wanted)))
                in_flight += wanted
            elif in_flight == 0:
                return answered / (time.perf_counter() - started)
            wanted = self._read()
            answered += wanted
            in_flight -= wanted

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self._selector.close()
        super().stop()

    def _read(self, exactly: int | None = None) -> int:
        """Read at least one whole line, or exactly so many; gives their number."""
        while not self._rest.endswith(b"\n"):
            if not self._selector.select(PATIENCE):
                raise self._failed(f"did not answer for {PATIENCE} s")
            chunk = os.read(self._stdout, CHUNK)
            if not chunk:
                raise self._failed("closed its stdout")
            self._rest += chunk
            if exactly is None and b"\n" in chunk:
                break
        whole, _, self._rest = self._rest.rpartition(b"\n")
        lines = whole.split(b"\n")
        for line in lines:
            self._check(line)
        if exactly is not None and len(lines) != exactly:
            raise self._failed(f"gave {len(lines)} lines for {exactly} request")
        return len(lines)
