"""How fast mcptap is, beside the direct way, the limit for Python and FastMCP's own proxy.

    python -m tests.benchmarks [--calls N] [--rounds N] [--only bare|fastmcp|http|many] [--json FILE]

The server is a bare loop over stdio, which answers in no time (what is left is the proxies' own
time), a FastMCP server over stdio (what most servers are), or a bare Starlette app over HTTP. "limit"
is the byte pump over stdio (it records, too) and the pass-through over HTTP (it does not). "many" is
one mcptap that records twenty servers of a configuration, beside one that records a single one.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tests.benchmarks import many
from tests.benchmarks.http_target import HttpTarget
from tests.benchmarks.measure import Figures, Plan, Target, measure
from tests.benchmarks.pipe_target import PipeTarget
from tests.clients.base import Era

PYTHON = [sys.executable, "-m"]
STDIO_UPSTREAMS = {
    "bare": [*PYTHON, "tests.benchmarks.upstream"],
    "fastmcp": [*PYTHON, "tests.benchmarks.upstream_fastmcp"],
}
UPSTREAM_HTTP = [*PYTHON, "tests.benchmarks.upstream_http"]
MCPTAP = [*PYTHON, "mcptap"]
LIMIT = "limit"
STOCK = "stock proxy"


def stdio_targets(folder: Path, era: Era, upstream: list[str]) -> list[Target]:
    """All stdio targets, each with an upstream of its own."""
    commands = {
        "direct": upstream,
        LIMIT: [*PYTHON, "tests.benchmarks.byte_pump", str(folder / "pump.jsonl"), "--", *upstream],
        STOCK: [*PYTHON, "tests.benchmarks.stock_proxy", "stdio", *upstream],
        "mcptap record": [*MCPTAP, "record", "-o", str(folder / "stdio.jsonl"), "--", *upstream],
        "mcptap replay": [*MCPTAP, "replay", str(folder / "replay.jsonl")],
    }
    recorder = [*MCPTAP, "record", "-o", str(folder / "replay.jsonl"), "--", *upstream]
    targets: list[Target] = [
        PipeTarget(name, command, era, folder / "stderr") for name, command in commands.items()
    ]
    return [PipeTarget("recorder of the replay", recorder, era, folder / "stderr"), *targets]


def http_targets(folder: Path, era: Era, upstream: str) -> list[Target]:
    """All HTTP targets; the proxies share one upstream, the direct way has its own."""

    def tap(verb: str, *arguments: str) -> Any:
        return lambda port: [*MCPTAP, verb, *arguments, "--transport", "http", "--port", str(port)]

    commands = {
        "recorder of the replay": tap("record", "-o", str(folder / "replay.jsonl"), "--url", upstream),
        "direct": lambda port: [*UPSTREAM_HTTP, str(port)],
        LIMIT: lambda port: [*PYTHON, "tests.benchmarks.pass_through", str(port), upstream],
        STOCK: lambda port: [*PYTHON, "tests.benchmarks.stock_proxy", "http", str(port), upstream],
        "mcptap record": tap("record", "-o", str(folder / "http.jsonl"), "--url", upstream),
        "mcptap replay": tap("replay", str(folder / "replay.jsonl")),
    }
    return [HttpTarget(name, command, era, folder / "stderr") for name, command in commands.items()]


@contextlib.contextmanager
def targets_of(transport: str, folder: Path, era: Era) -> Iterator[list[Target]]:
    if transport in STDIO_UPSTREAMS:
        yield stdio_targets(folder, era, STDIO_UPSTREAMS[transport])
        return
    upstream = HttpTarget("upstream", lambda port: [*UPSTREAM_HTTP, str(port)], era, folder / "stderr")
    try:
        upstream.start()
        yield http_targets(folder, era, upstream.url)
    finally:
        upstream.stop()


def record_for_replay(recorder: Target) -> None:
    try:
        recorder.start()
        recorder.call()
    finally:
        recorder.stop()


def table(transport: str, era: Era, figures: dict[str, Figures]) -> str:
    direct, limit = figures["direct"], figures[LIMIT]
    columns = ("p50 ms", "p90", "p99", "added", "/ limit", "/ direct", "req/s", "/ limit")
    heads = "".join(f"{column:>9}" for column in columns)
    limit_added = limit.percentile(50) - direct.percentile(50)
    lines = [f"{f'{transport}, {era}':16}{heads}{'start ms':>10}{'MiB':>7}"]
    for name, found in figures.items():
        p50 = found.percentile(50)
        lines.append(
            f"{name:16}{p50:9.3f}{found.percentile(90):9.3f}{found.percentile(99):9.3f}"
            f"{p50 - direct.percentile(50):9.3f}{(p50 - direct.percentile(50)) / limit_added:9.2f}"
            f"{p50 / direct.percentile(50):9.2f}"
            f"{found.rate:9.0f}{found.rate / limit.rate:9.2f}{found.start_ms:10.0f}{found.peak_mib:7.0f}"
        )
    return "\n".join(lines)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=200, help="one at a time, per round and target (200)")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--starts", type=int, default=3, help="how often each is started (3)")
    parser.add_argument("--burst", type=float, default=1.0, help="seconds at concurrency 16, per round (1)")
    parser.add_argument("--only", choices=("bare", "fastmcp", "http", "many"))
    parser.add_argument("--era", choices=("handshake", "modern"), default="modern")
    parser.add_argument("--without-mcptap", action="store_true")
    parser.add_argument("--without-stock", action="store_true", help="the slow one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every figure")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    plan = Plan(chosen.calls, chosen.rounds, chosen.starts, burst_seconds=chosen.burst)
    report: dict[str, Any] = {}
    if chosen.only in {None, "many"} and not chosen.without_mcptap:
        report["many"] = many.measure(chosen.era, chosen.starts)
        print(many.table(report["many"]), flush=True)
    for transport in [chosen.only] if chosen.only else ["bare", "fastmcp", "http"]:
        if transport == "many":
            continue
        with (
            tempfile.TemporaryDirectory() as folder,
            targets_of(transport, Path(folder), chosen.era) as (recorder, *targets),
        ):
            if not chosen.without_mcptap:
                record_for_replay(recorder)
            left_out = ("mcptap",) * chosen.without_mcptap + (STOCK,) * chosen.without_stock
            figures = measure([target for target in targets if not target.name.startswith(left_out)], plan)
        print(table(transport, chosen.era, figures), flush=True)
        report[transport] = {name: found.as_json() for name, found in figures.items()}
    if chosen.json is not None:
        chosen.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
