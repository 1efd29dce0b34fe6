"""What is measured and how: targets, and rounds of calls that are interleaved between them.

The clients cost next to nothing (blocking reads and writes, no event loop, no models). Targets are
measured call by call in turn, because a shared machine drifts by more than two proxies differ.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.clients.base import CAPABILITIES, CLIENT_INFO, HANDSHAKE_VERSION, Era, modern_meta

PATIENCE = 60.0
CHUNK = 1 << 18
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
# All ids have as many digits, so that requests are equally long.
_FIRST_ID = 1_000_000


class MeasuringError(Exception):
    """A target did not answer, or answered with an error."""


class Target(ABC):
    """A process that is measured: started, opened, called, stopped.

    Args:
        name: What the table calls it.
        era: The era that the client speaks.
        stderr: The file that takes the process's stderr.
    """

    _ends_by_itself = False

    def __init__(self, name: str, era: Era, stderr: Path) -> None:
        self.name = name
        self.era = era
        self.stderr = stderr
        self._next_id = _FIRST_ID

    @abstractmethod
    def start(self) -> float:
        """Start the process and open a session; gives the seconds until the first answer."""

    @abstractmethod
    def call(self) -> float:
        """Call a tool and wait for its answer; gives the seconds."""

    @abstractmethod
    def burst(self, seconds: float, concurrency: int) -> float:
        """Keep a number of calls in flight for some seconds; gives the answers per second."""

    def stop(self) -> None:
        """End the process and everything that it started (it leads a process group)."""
        for number, patience in ((0, 2.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience if self._ends_by_itself or number else 0)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def peak_mib(self) -> float:
        """The most memory that the process itself (not its children) held so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def _launch(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                start_new_session=True,
            )
        return self.process

    def _request(self, method: str, params: dict[str, Any]) -> bytes:
        self._next_id += 1
        if self.era == "modern":
            params = params | {"_meta": modern_meta(progressToken=self._next_id)}
        return orjson.dumps({"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params})

    def _opening(self) -> tuple[str, bytes]:
        if self.era == "modern":
            return "server/discover", self._request("server/discover", {})
        params = {
            "protocolVersion": HANDSHAKE_VERSION,
            "capabilities": CAPABILITIES,
            "clientInfo": CLIENT_INFO,
        }
        return "initialize", self._request("initialize", params)

    def _a_call(self) -> bytes:
        return self._request("tools/call", {"name": "fast", "arguments": {"text": "some text to send"}})

    def _check(self, answer: bytes) -> None:
        if b'"result":' not in answer or b'"isError":true' in answer:
            raise self._failed(f"answered {answer[:2000]!r}")

    def _failed(self, why: str) -> MeasuringError:
        tail = self.stderr.read_text(errors="replace")[-2000:]
        return MeasuringError(f"{self.name} {why}; return code {self.process.poll()}; stderr:\n{tail}")


@dataclass
class Figures:
    """What was measured of one target; latencies in seconds, in the order of the calls."""

    latencies: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    peak_mib: float = 0.0

    def percentile(self, percent: int) -> float:
        """A percentile of the latencies, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def start_ms(self) -> float:
        return statistics.median(self.starts) * 1000

    def as_json(self) -> dict[str, Any]:
        percentiles = {f"p{percent}_ms": self.percentile(percent) for percent in (50, 90, 99)}
        return percentiles | {"rate": self.rate, "start_ms": self.start_ms} | asdict(self)


@dataclass(frozen=True)
class Plan:
    """How much is measured. Each round has ``calls`` calls one at a time and then a burst."""

    calls: int
    rounds: int
    starts: int
    concurrency: int = 16
    burst_seconds: float = 1.0
    warm_up: int = 20


def measure(targets: Sequence[Target], plan: Plan) -> dict[str, Figures]:
    """Measure all targets in one run."""
    figures = {target.name: Figures() for target in targets}
    for _ in range(plan.starts - 1):
        for target in targets:
            with contextlib.ExitStack() as stack:
                figures[target.name].starts.append(_start(target, stack))
    with contextlib.ExitStack() as stack:
        for target in targets:
            figures[target.name].starts.append(_start(target, stack))
            for _ in range(plan.warm_up):
                target.call()
        for _ in range(plan.rounds):
            _measure_round(targets, plan, figures)
        for target in targets:
            figures[target.name].peak_mib = target.peak_mib()
    return figures


def _start(target: Target, stack: contextlib.ExitStack) -> float:
    stack.callback(target.stop)
    return target.start()


def _measure_round(targets: Sequence[Target], plan: Plan, figures: dict[str, Figures]) -> None:
    for number in range(plan.calls):
        for target in _rotated(targets, number):
            figures[target.name].latencies.append(target.call())
    for target in targets:
        figures[target.name].rates.append(target.burst(plan.burst_seconds, plan.concurrency))


def _rotated(targets: Sequence[Target], by: int) -> Iterable[Target]:
    """Who follows whom changes, so that nobody always pays for the same neighbour's garbage."""
    first = by % len(targets)
    return [*targets[first:], *targets[:first]]
