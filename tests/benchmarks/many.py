"""What it costs to have many servers behind one mcptap: the start, and the memory."""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.http_target import HttpTarget
from tests.clients.base import Era

COUNTS = (1, 20)


class ManyTarget(HttpTarget):
    """One mcptap with a number of servers; each is opened when the target is started."""

    def __init__(self, count: int, folder: Path, era: Era) -> None:
        entry = {"command": sys.executable, "args": ["-m", "tests.benchmarks.upstream"]}
        self.names = [f"server{number}" for number in range(count)]
        config = folder / f"{count}.json"
        config.write_text(json.dumps({"mcpServers": dict.fromkeys(self.names, entry)}))
        argv = [sys.executable, "-m", "mcptap", "record", "--config", str(config), "-o", str(folder / "rec")]
        super().__init__(
            f"{count} servers", lambda port: [*argv, "--port", str(port)], era, folder / "stderr"
        )
        self.all_taken = 0.0

    def start(self) -> float:
        """Start it and open all servers at once; gives the seconds until the first answer."""
        self.path = f"/{self.names[0]}/mcp"
        first = super().start()
        self._session = b""
        started = time.perf_counter()
        opening = []
        for name in self.names[1:]:
            self.path = f"/{name}/mcp"
            connection = self._connect()
            method, request = self._opening()
            self._send(connection, request, method)
            opening.append(connection)
        for connection in opening:
            self._check(self._wait(connection)[1])
        self.all_taken = first + time.perf_counter() - started
        return first


def measure(era: Era, starts: int) -> dict[str, dict[str, Any]]:
    """Start each a number of times, in turn; seconds and MiB, of mcptap's own process alone."""
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        targets = [ManyTarget(count, Path(folder), era) for count in COUNTS]
        for _ in range(starts):
            for target in targets:
                found = figures.setdefault(target.name, {"first": [], "all": [], "cpu": [], "peak_mib": []})
                with contextlib.ExitStack() as stack:
                    stack.callback(target.stop)
                    found["first"].append(target.start())
                    found["all"].append(target.all_taken)
                    times = psutil.Process(target.process.pid).cpu_times()
                    found["cpu"].append(times.user + times.system)
                    found["peak_mib"].append(target.peak_mib())
    return figures


def table(figures: dict[str, dict[str, Any]]) -> str:
    """One line for each number of servers; medians."""
    lines = [f"{'many':16}{'first answer ms':>17}{'all answered ms':>17}{'CPU ms':>8}{'MiB':>7}"]
    for name, found in figures.items():
        first, all_taken, cpu = (statistics.median(found[key]) * 1000 for key in ("first", "all", "cpu"))
        peak = statistics.median(found["peak_mib"])
        lines.append(f"{name:16}{first:17.0f}{all_taken:17.0f}{cpu:8.0f}{peak:7.0f}")
    return "\n".join(lines)
