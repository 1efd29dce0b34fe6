"""How long a suite of small tests of a real server takes, recorded once and then replayed without it.

``python -m tests.benchmarks.suite [TESTS] [FOLDER]``: a FOLDER that holds a recorded suite is replayed.

Each test connects a client of its own and calls one or two tools of ``mcp-server-time``. A test's time is
that of its setup, call and teardown, as pytest measures them; the first test also imports FastMCP. Its
processor time has pytest's own beside that, and says more where others use the machine, too.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_CONFTEST = """
import json, os, time
from collections import defaultdict
import pytest

times, cpu = defaultdict(float), []

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    start = time.process_time()
    result = yield
    cpu.append(time.process_time() - start)
    return result

@pytest.fixture
def anyio_backend():
    return "asyncio"

def pytest_runtest_logreport(report):
    times[report.nodeid] += report.duration

def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        with open(os.environ["SUITE_TIMES"], "w") as file:
            json.dump([list(times.values()), cpu], file)
"""
_INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
_TESTS = """
import pytest

ZONES = ["Europe/Berlin", "Asia/Tokyo", "America/New_York", "Australia/Sydney", "UTC"]

@pytest.mark.anyio
@pytest.mark.parametrize("number", range({tests}))
async def test_time(mcptap_client, number):
    zone, other = ZONES[number % 5], ZONES[(number + 1) % 5]
    async with mcptap_client as client:
        found = await client.call_tool(
            "convert_time",
            {{"source_timezone": zone, "target_timezone": other, "time": f"{{number % 24:02}}:00"}},
        )
        assert other in str(found.content)
        if number % 2:
            assert zone in str((await client.call_tool("get_current_time", {{"timezone": zone}})).content)
"""


def main(tests: int, folder: Path) -> None:
    """Print a line for the recording, where there is one to make, and one for the replay."""
    (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    (folder / "test_suite.py").write_text(_TESTS.format(tests=tests), encoding="utf-8")
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\n", encoding="utf-8"
    )
    print(f"{tests} tests; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    if not (folder / "cassettes").exists():
        server = f"{sys.executable} -m mcp_server_time"
        _run(folder, "recorded, two workers", "-n", "2", "-o", f"mcptap_server={server}")
    _run(
        folder,
        "replayed, no server",
        "-n",
        "0",
        "-o",
        "mcptap_server=no-such-server",
        "--mcptap-fail-on-unused",
    )


def _run(folder: Path, name: str, *arguments: str) -> None:
    log = folder / "times.json"
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "PYTEST_ADDOPTS")}
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=folder,
        env={**environment, "SUITE_TIMES": str(log)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wall = time.perf_counter() - start
    walls, cpu = (sorted(each * 1000 for each in values) for values in json.loads(log.read_text()))
    print(
        f"{name:<22} {wall:6.1f} s in all   a test: median {statistics.median(walls):7.1f} ms   "
        f"p90 {walls[int(len(walls) * 0.9)]:7.1f} ms"
        + (f"   processor: median {statistics.median(cpu):5.1f} ms" if cpu else "")
    )


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    if len(sys.argv) > 2:
        kept = Path(sys.argv[2])
        kept.mkdir(parents=True, exist_ok=True)
        main(wanted, kept)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(wanted, Path(temporary))
