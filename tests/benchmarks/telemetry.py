"""What telemetry costs a request, in CPU time of mcptap's process: all its threads, sending included.

    python -m tests.benchmarks.telemetry [--calls N] [--pairs N]

`mcptap proxy` stands over stdio in front of the bare server, once without and once with spans and
metrics going to a collector in a process of its own; how many spans are sent together, and when, is
OpenTelemetry's default. CPU time, because a shared machine's clock on the wall says more about its
neighbours. The two take turns every 25 calls, because a machine drifts. Of the thread that answers the
mean of the middle half of its turns counts, of all other threads what they use in all; the median over
several pairs of processes, because where a process lies in memory makes a difference, too.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.__main__ import MCPTAP, PYTHON, STDIO_UPSTREAMS
from tests.benchmarks.pipe_target import PipeTarget
from tests.telemetry.receivers import Protocol, collector

PROTOCOLS: Sequence[Protocol] = ("http/protobuf", "grpc")
_SETTLE = 6.0  # longer than a span waits (OTEL_BSP_SCHEDULE_DELAY)
_BURST = 25


class _Observed(PipeTarget):
    """A stdio proxy with an environment of its own."""

    def __init__(self, name: str, argv: Sequence[str], stderr: Path, variables: Mapping[str, str]) -> None:
        super().__init__(name, argv, "modern", stderr)
        self._variables = variables

    def _launch(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        return super()._launch(
            ["env", *(f"{name}={value}" for name, value in self._variables.items()), *argv]
        )

    def answering(self) -> float:
        """Microseconds of CPU that the thread has used so far that answers the client."""
        return self._used(Path(f"/proc/{self.process.pid}/task/{self.process.pid}"))

    def beside(self) -> float:
        """The same of all others."""
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(self._used(each) for each in threads if each.name != str(self.process.pid))

    @staticmethod
    def _used(thread: Path) -> float:
        return int(Path(thread, "schedstat").read_text().split()[0]) / 1000


@contextlib.contextmanager
def _collector(protocol: Protocol) -> Iterator[str]:
    """A collector in a process of its own, whose CPU time is not mcptap's."""
    argv = [*PYTHON, "tests.benchmarks.telemetry", "--collect", protocol]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def _added(without: _Observed, observed: _Observed, calls: int) -> tuple[float, float]:
    """CPU microseconds a call without telemetry, and what it adds; sending ends within the time."""
    pair = (without, observed)
    for target in pair:
        for _ in range(16 * _BURST):
            target.call()
    time.sleep(_SETTLE)
    turns: tuple[list[float], list[float]] = ([], [])
    beside = [target.beside() for target in pair]
    for _ in range(calls // _BURST):
        for target, used in zip(pair, turns, strict=True):
            target.call()  # wakes it up
            before = target.answering()
            for _ in range(_BURST):
                target.call()
            used.append((target.answering() - before) / _BURST)
    time.sleep(_SETTLE)
    base, whole = (
        _middle(used) + (target.beside() - before) / (calls // _BURST * (_BURST + 1))
        for target, used, before in zip(pair, turns, beside, strict=True)
    )
    return base, whole - base


def _middle(figures: list[float]) -> float:
    """The mean of the middle half."""
    quarter = len(figures) // 4
    return statistics.mean(sorted(figures)[quarter:-quarter])


def _run(calls: int, pairs: int) -> None:
    proxy = [*MCPTAP, "proxy", "--", *STDIO_UPSTREAMS["bare"]]
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(pairs):
        for protocol, metrics in itertools.product(PROTOCOLS, ("none", "otlp")):
            name = f"spans{', metrics' if metrics == 'otlp' else ''}, {protocol[:4]}"
            with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
                variables = {
                    "OTEL_TRACES_EXPORTER": "otlp",
                    "OTEL_METRICS_EXPORTER": metrics,
                    "OTEL_EXPORTER_OTLP_ENDPOINT": stack.enter_context(_collector(protocol)),
                    "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                }
                off = _Observed("off", proxy, Path(folder, "off"), {"OTEL_SDK_DISABLED": "true"})
                on = _Observed(name, proxy, Path(folder, "on"), variables)
                for target in (off, on):
                    stack.callback(target.stop)
                    target.start()
                found.setdefault(name, []).append(_added(off, on, calls))
    print(f"{'CPU µs a call':22}{'without':>9}{'added':>9}{'quartiles':>14}")
    for name, figures in found.items():
        without, added = zip(*figures, strict=True)
        lower, middle, upper = statistics.quantiles(added, n=4)
        print(f"{name:22}{statistics.median(without):9.0f}{middle:9.0f}{lower:9.0f} …{upper:4.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000, help="of each process (2000)")
    parser.add_argument("--pairs", type=int, default=5, help="of processes, for each way of sending (5)")
    parser.add_argument("--collect", choices=PROTOCOLS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.collect is None:
        _run(chosen.calls, chosen.pairs)
        return
    with collector(chosen.collect) as received:
        print(received.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
