"""What telemetry costs a request, in CPU time of mcptap's process: all its threads, sending included.

    python -m tests.benchmarks.telemetry [--calls N] [--rounds N]

`mcptap proxy` stands over stdio in front of the bare server, once without and once with spans and
metrics going to a collector in a process of its own; how many spans are sent together, and when, is
OpenTelemetry's default. CPU time, because a shared machine's clock on the wall says more about its
neighbours. The targets take turns every 50 calls, because a machine drifts; the median of the rounds'
differences counts, and the lowest stands beside it.
"""

from __future__ import annotations

import argparse
import contextlib
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
_BURST = 50


class _Observed(PipeTarget):
    """A stdio proxy with an environment of its own."""

    def __init__(self, name: str, argv: Sequence[str], stderr: Path, variables: Mapping[str, str]) -> None:
        super().__init__(name, argv, "modern", stderr)
        self._variables = variables

    def _launch(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        return super()._launch(
            ["env", *(f"{name}={value}" for name, value in self._variables.items()), *argv]
        )

    def cpu_seconds(self) -> float:
        """What the process has used so far, in all of its threads, to the nanosecond."""
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int(Path(thread, "schedstat").read_text().split()[0]) for thread in threads) / 1e9


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


def _measure(targets: Sequence[_Observed], calls: int, rounds: int) -> dict[str, list[float]]:
    """CPU microseconds a call, by target, one figure a round; sending ends within its round."""
    figures: dict[str, list[float]] = {target.name: [] for target in targets}
    for number in range(rounds + 1):
        before = {target.name: target.cpu_seconds() for target in targets}
        for _ in range(calls // _BURST):
            for target in targets:
                for _ in range(_BURST):
                    target.call()
        time.sleep(_SETTLE)
        if number:  # the first one warms up
            for target in targets:
                used = target.cpu_seconds() - before[target.name]
                figures[target.name].append(used / (calls // _BURST * _BURST) * 1e6)
    return figures


def _run(calls: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        proxy = [*MCPTAP, "proxy", "--", *STDIO_UPSTREAMS["bare"]]
        targets = [_Observed("off", proxy, Path(folder, "off"), {"OTEL_SDK_DISABLED": "true"})]
        for protocol in PROTOCOLS:
            variables = {
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_ENDPOINT": stack.enter_context(_collector(protocol)),
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            }
            for what, metrics in (("spans", "none"), ("spans, metrics", "otlp")):
                name = f"{what}, {protocol[:4]}"
                variables = {**variables, "OTEL_METRICS_EXPORTER": metrics}
                targets.append(_Observed(name, proxy, Path(folder, name), variables))
        for target in targets:
            stack.callback(target.stop)
            target.start()
        figures = _measure(targets, calls, rounds)
    print(f"{'CPU µs a call':22}{'median':>9}{'added':>9}{'lowest':>9}")
    for name, found in figures.items():
        added = [on - off for on, off in zip(found, figures["off"], strict=True)]
        print(f"{name:22}{statistics.median(found):9.0f}{statistics.median(added):9.0f}{min(added):9.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000, help="per round and target (2000)")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--collect", choices=PROTOCOLS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.collect is None:
        _run(chosen.calls, chosen.rounds)
        return
    with collector(chosen.collect) as received:
        print(received.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
