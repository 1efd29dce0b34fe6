"""How long `mcptap stats` takes beside a bare DuckDB query over the same file, interleaved in one run.

    python -m tests.benchmarks.stats [--interactions 1000000] [--rounds 5] [--folder DIR]

"bare" reads the file with declared columns and groups by tool with percentiles; "bare with bytes" reads
the answers, too, which `stats` needs for their size and for isError. Each is a process of its own.
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

_QUERY = """
import duckdb
duckdb.connect().execute(\"\"\"
    SELECT params.name, count(*), quantile_cont(ms, [0.5, 0.9, 0.99]), max(ms){more}
    FROM read_json('{path}', format = 'newline_delimited', columns = {{
        kind: 'VARCHAR', method: 'VARCHAR', ms: 'DOUBLE', params: 'STRUCT(name VARCHAR)'{columns}}})
    WHERE kind = 'interaction' GROUP BY ALL\"\"\").fetchall()
"""


def commands(path: Path) -> dict[str, list[str]]:
    """What is compared."""
    more = ", sum(strlen(result)), sum(proxy_ms), count(error)"
    columns = ", result: 'JSON', error: 'JSON', proxy_ms: 'DOUBLE'"
    return {
        "bare": [sys.executable, "-c", _QUERY.format(path=path, more="", columns="")],
        "bare with bytes": [sys.executable, "-c", _QUERY.format(path=path, more=more, columns=columns)],
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
    base = statistics.median(wall for wall, _, _ in measured["bare"])
    for name, runs in measured.items():
        wall, cpu, memory = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:16} {wall:5.2f} s  {wall / base:4.2f}x  CPU {cpu:5.2f} s  {memory:4.0f} MB")
