"""How long `mcptap stats` takes beside a bare DuckDB query over the same file, interleaved in one run.

    python -m tests.benchmarks.stats [--interactions 1000000] [--rounds 5] [--folder DIR]

"three columns" reads and groups by tool with percentiles, the least that one could ask: it is the measure.
"the same numbers" asks for what `stats` shows, for which the answers have to be read, too: for their size and
for isError. Both leave out what was written in two lines because it stayed open. Each is its own process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.generated import write

_BARE = """
import duckdb
duckdb.connect().execute(\"\"\"
    SELECT {selected} quantile_cont(ms, [0.5, 0.9, 0.99]), max(ms), count(*)
    FROM read_json('{path}', format = 'newline_delimited', columns = {{
        kind: 'VARCHAR', ms: 'DOUBLE', params: 'STRUCT(name VARCHAR)'{columns}}})
    WHERE kind = 'interaction' GROUP BY ALL\"\"\").fetchall()
"""
_SAME = """method, params.name, count(error), count(*) FILTER (contains(result, '\"isError\":true')), sum(ms),
        sum(coalesce(strlen(result), strlen(error))), quantile_cont(proxy_ms, 0.5), sum(proxy_ms),"""
_SAME_COLUMNS = ", method: 'VARCHAR', result: 'JSON', error: 'JSON', proxy_ms: 'DOUBLE'"


def commands(path: Path) -> dict[str, list[str]]:
    """What is compared; the first is the measure of the others."""
    least = _BARE.format(path=path, selected="params.name,", columns="")
    same = _BARE.format(path=path, selected=_SAME, columns=_SAME_COLUMNS)
    return {
        "three columns": [sys.executable, "-c", least],
        "the same numbers": [sys.executable, "-c", same],
        "mcptap stats": [sys.executable, "-m", "mcptap", "stats", str(path)],
    }


def run(command: list[str]) -> tuple[float, float, float]:
    """Seconds of wall clock, seconds of CPU, and MB of memory at the most."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        cassette = write(Path(folder) / "generated.jsonl", options.interactions)
        print(f"{options.interactions:,} interactions, {cassette.stat().st_size / 1e6:.0f} MB")
        measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands(cassette)}
        for _ in range(options.rounds):
            for name, command in commands(cassette).items():
                measured[name].append(run(command))
    base = statistics.median(wall for wall, _, _ in measured["three columns"])
    for name, runs in measured.items():
        wall, cpu, memory = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:17} {wall:5.2f} s  {wall / base:4.2f}x  CPU {cpu:5.2f} s  {memory:4.0f} MB")
