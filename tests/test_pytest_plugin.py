"""The pytest plugin, run by pytest itself on suites of its own."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

# What the suites import is here already: pytest takes back what a run inside this process has imported,
# and some of that can't be imported twice.
from mcptap.pytest_plugin import _file_safe
from mcptap.tap import background, creating

pytest_plugins = ["pytester"]

ONCE_IMPORTED = (background, creating)

CONFTEST = """
import pytest
from pathlib import Path
from fastmcp import FastMCP

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
def mcptap_server():
    server = FastMCP("counting")

    @server.tool
    def double(number: int) -> int:
        with (Path(__file__).parent / "asked.txt").open("a") as log:
            log.write(f"{number}\\n")
        return 2 * number

    return server
"""
PREAMBLE = """
import asyncio, os, subprocess, unittest, warnings
import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

async def double(client, number):
    async with client:
        return (await client.call_tool("double", {"number": number})).data
"""
TWO = """
@pytest.mark.anyio
@pytest.mark.parametrize("number", [1, 2])
async def test_double(mcptap_client, number):
    assert await double(mcptap_client, number) == 2 * number
"""


@pytest.fixture(autouse=True)
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


def write(suite: pytest.Pytester, **modules: str) -> None:
    suite.makepyfile(**{name: PREAMBLE + source for name, source in modules.items()})


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest(*arguments)


def asked(suite: pytest.Pytester) -> list[int]:
    log = suite.path / "asked.txt"
    return sorted(map(int, log.read_text().split())) if log.exists() else []


def cassettes(suite: pytest.Pytester) -> list[str]:
    folder = suite.path / "cassettes"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def calls(suite: pytest.Pytester, cassette: str) -> list[int]:
    lines = map(json.loads, (suite.path / "cassettes" / cassette).read_text().splitlines())
    return [line["params"]["arguments"]["number"] for line in lines if line.get("method") == "tools/call"]


def test_each_test_is_recorded_once_and_then_needs_no_server(suite: pytest.Pytester) -> None:
    write(suite, test_it=TWO)
    run(suite).assert_outcomes(passed=2)
    assert cassettes(suite) == ["test_it/test_double-1.jsonl", "test_it/test_double-2.jsonl"]
    before = {name: (suite.path / "cassettes" / name).read_bytes() for name in cassettes(suite)}
    suite.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'")
    run(suite).assert_outcomes(passed=2)
    assert asked(suite) == [1, 2]
    assert {name: (suite.path / "cassettes" / name).read_bytes() for name in cassettes(suite)} == before


@pytest.mark.parametrize(
    ("mode", "recorded"), [("all", [1, 2, 1, 2]), ("rewrite", [1, 2]), ("new-episodes", [1, 2])]
)
def test_a_mode_that_records_asks_for_all_or_for_what_is_new(
    mode: str, recorded: Sequence[int], suite: pytest.Pytester
) -> None:
    write(suite, test_it=TWO.replace("[1, 2]", "[1]"))
    run(suite).assert_outcomes(passed=1)
    more = """
@pytest.mark.anyio
@pytest.mark.parametrize("number", [1])
async def test_double(mcptap_client, number):
    async with mcptap_client as client:
        for number in (1, 2):
            assert (await client.call_tool("double", {"number": number})).data == 2 * number
"""
    write(suite, test_it=more)
    run(suite, f"--mcptap-record-mode={mode}").assert_outcomes(passed=1)
    kept = calls(suite, "test_it/test_double-1.jsonl")
    assert kept == ([1, 1, 2] if mode == "all" else recorded)
    assert asked(suite) == ([1, 2] if mode == "new-episodes" else [1, 1, 2])


def test_none_is_the_mode_in_ci_and_wants_every_cassette(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(suite, test_it=TWO)
    monkeypatch.setenv("CI", "true")
    result = run(suite)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*test_double-1.jsonl does not exist, and the record mode is none; *"])
    assert (asked(suite), cassettes(suite)) == ([], [])
    run(suite, "--mcptap-record-mode=once").assert_outcomes(passed=2)
    run(suite).assert_outcomes(passed=2)
    assert asked(suite) == [1, 2]


def test_the_mode_may_stand_in_the_configuration_and_at_the_test(suite: pytest.Pytester) -> None:
    write(suite, test_it=TWO + "\n@pytest.mark.mcptap(mode='once')\ndef test_other(mcptap_client): pass\n")
    run(suite, "-o", "mcptap_record_mode=none").assert_outcomes(errors=2, passed=1)
    result = run(suite, "-o", "mcptap_record_mode=never")
    result.stdout.fnmatch_lines(["*mcptap_record_mode 'never' is none; take one of all, once*"])


def test_an_option_that_there_is_not_is_said_to_be_none(suite: pytest.Pytester) -> None:
    write(suite, test_it="@pytest.mark.mcptap(modus='once')\ndef test_it(mcptap_client): pass")
    result = run(suite)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the marker mcptap: *modus*"])


def test_a_miss_fails_the_test_even_where_it_was_swallowed(suite: pytest.Pytester) -> None:
    write(suite, test_it=TWO)
    run(suite)
    swallowed = """
@pytest.mark.anyio
@pytest.mark.parametrize("number", [1, 2])
async def test_double(mcptap_client, number):
    try:
        await double(mcptap_client, number + 1)
    except Exception:
        pass
"""
    write(suite, test_it=swallowed)
    result = run(suite)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["miss: The cassette has no tools/call*", "*nearest recorded request*", "*number*", "*what to do*"]
    )
    assert asked(suite) == [1, 2]


@pytest.mark.parametrize("style", ["function", "unittest"])
def test_a_failure_of_the_test_itself_is_the_one_that_is_shown(style: str, suite: pytest.Pytester) -> None:
    sources = {
        "function": """
@pytest.mark.anyio
async def test_it(mcptap_client):
    try:
        await double(mcptap_client, NUMBER)
    except Exception:
        pass
    assert NUMBER == 1, "its own failure"
""",
        "unittest": """
class TestIt(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def _client(self, mcptap_client):
        self.client = mcptap_client
    async def test_it(self):
        try:
            await double(self.client, NUMBER)
        except Exception:
            pass
        self.assertEqual(NUMBER, 1, "its own failure")
""",
    }
    write(suite, test_it=f"NUMBER = 1\n{sources[style]}")
    run(suite).assert_outcomes(passed=1)
    write(suite, test_it=f"NUMBER = 3\n{sources[style]}")
    result = run(suite, "--mcptap-fail-on-unused")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *its own failure*", "*- mcptap -*", "miss: *"])
    result.stdout.no_fnmatch_line("*were not made*")


def test_unused_requests_fail_a_test_when_asked_and_only_then(suite: pytest.Pytester) -> None:
    write(suite, test_it=TWO)
    run(suite)
    write(suite, test_it=TWO.replace("    assert", "    return\n    assert"))
    run(suite).assert_outcomes(passed=2)
    result = run(suite, "--mcptap-fail-on-unused")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*recorded requests of *test_double-1.jsonl were not made:", "*tools/call"])
    run(suite, "-o", "mcptap_fail_on_unused=true").assert_outcomes(failed=2)
    write(suite, test_it=TWO.replace("    assert", "    assert 0, 'its own'\n    assert"))
    result = run(suite, "--mcptap-fail-on-unused")
    result.stdout.no_fnmatch_line("*were not made*")


def test_a_test_that_fails_or_is_skipped_while_it_is_recorded_leaves_no_cassette(
    suite: pytest.Pytester,
) -> None:
    source = """
@pytest.mark.anyio
@pytest.mark.parametrize("way", ["fail", "skip", "xfail", "pass"])
async def test_it(mcptap_client, way, request):
    assert await double(mcptap_client, 1) == 2
    if way == "xfail":
        pytest.xfail("known")
    assert way != "fail"
    if way == "skip":
        pytest.skip()
"""
    write(suite, test_it=source)
    run(suite).assert_outcomes(passed=1, failed=1, skipped=1, xfailed=1)
    assert cassettes(suite) == ["test_it/test_it-pass.jsonl", "test_it/test_it-xfail.jsonl"]
    run(suite, "--mcptap-record-mode=rewrite", "-o", "mcptap_server=x").assert_outcomes(
        passed=1, failed=1, skipped=1, xfailed=1
    )


def test_a_rewrite_that_fails_keeps_what_was_there(suite: pytest.Pytester) -> None:
    write(suite, test_it=TWO)
    run(suite)
    before = (suite.path / "cassettes/test_it/test_double-1.jsonl").read_bytes()
    write(suite, test_it=TWO.replace("== 2 * number", "== 7"))
    run(suite, "--mcptap-record-mode=rewrite").assert_outcomes(failed=2)
    assert (suite.path / "cassettes/test_it/test_double-1.jsonl").read_bytes() == before
    assert len(cassettes(suite)) == 2


STYLES = """
async def use(client):
    assert await double(client, 4) == 8

@pytest.mark.anyio
async def test_anyio(mcptap_client):
    await use(mcptap_client)

@pytest.mark.asyncio
async def test_asyncio(mcptap_client):
    await use(mcptap_client)

def test_sync(mcptap_client):
    asyncio.run(use(mcptap_client))

def test_two_clients_one_after_the_other(mcptap_cassette):
    asyncio.run(use(mcptap_cassette.client()))
    asyncio.run(use(mcptap_cassette.client(mode="legacy")))

def test_url(mcptap_url):
    asyncio.run(use(Client(mcptap_url)))

def test_command(mcptap_command):
    asyncio.run(use(Client(StdioTransport(mcptap_command[0], mcptap_command[1:]))))

class TestPlain(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _client(self, mcptap_client):
        self.client = mcptap_client

    def test_it(self):
        asyncio.run(use(self.client))

class TestAsync(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def _client(self, mcptap_client):
        self.client = mcptap_client

    async def test_it(self):
        await use(self.client)
"""


def test_every_style_of_test_is_recorded_and_replayed(suite: pytest.Pytester) -> None:
    write(suite, test_it=STYLES)
    run(suite).assert_outcomes(passed=8)
    assert asked(suite) == [4] * 9
    assert {"test_it/TestPlain.test_it.jsonl", "test_it/TestAsync.test_it.jsonl"} <= set(cassettes(suite))
    assert len(cassettes(suite)) == 8
    run(suite, "--mcptap-fail-on-unused").assert_outcomes(passed=8)
    assert asked(suite) == [4] * 9


def test_a_miss_of_a_client_elsewhere_fails_the_test_too(suite: pytest.Pytester) -> None:
    write(suite, test_it=STYLES)
    run(suite, "-k", "url or command").assert_outcomes(passed=2, deselected=6)
    swallowed = "try:\n        assert await double(client, 5)\n    except Exception:\n        pass"
    write(suite, test_it=STYLES.replace("assert await double(client, 4) == 8", swallowed))
    result = run(suite, "-k", "url or command")
    result.assert_outcomes(failed=2, deselected=6)
    result.stdout.fnmatch_lines(["miss: The cassette has no tools/call*"])


def test_a_named_cassette_and_a_server_of_the_markers_own(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
pytestmark = [pytest.mark.anyio, pytest.mark.mcptap(server=["mcp-server-time"])]

@pytest.mark.mcptap("berlin/time")
async def test_time(mcptap_client):
    async with mcptap_client as client:
        await client.call_tool("get_current_time", {"timezone": "Europe/Berlin"})
"""
    write(suite, test_it=source)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    run(suite).assert_outcomes(passed=1)
    assert cassettes(suite) == ["berlin/time.jsonl"]
    run(suite, "--mcptap-fail-on-unused").assert_outcomes(passed=1)


def test_without_a_server_recording_says_so(suite: pytest.Pytester) -> None:
    suite.makeconftest("")
    write(suite, test_it="def test_it(mcptap_client): pass")
    result = run(suite)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*there is no server to record *test_it.jsonl from; name the server"])


@pytest.mark.parametrize("workers", ["0", "2"])
def test_cassettes_that_no_test_uses_are_named_unless_a_selection_ran(
    workers: str, suite: pytest.Pytester
) -> None:
    suite.makeconftest("")
    source = """
import pytest
@pytest.mark.skip
@pytest.mark.parametrize("number", [1, 2])
def test_double(mcptap_client, number):
    pass
def test_none():
    pass
"""
    suite.makepyfile(test_it=source, test_other=source)
    for module in ("test_it", "test_other"):
        for number in (1, 2):
            cassette = suite.path / "cassettes" / module / f"test_double-{number}.jsonl"
            cassette.parent.mkdir(parents=True, exist_ok=True)
            cassette.touch()
    title, told = "*mcptap: cassettes that no test uses*", "cassettes/test_it/test_double-1.jsonl"
    run(suite, "-n", workers).stdout.no_fnmatch_line(title)
    suite.makepyfile(test_it=source.replace("[1, 2]", "[2]"))
    result = run(suite, "-n", workers)
    result.stdout.fnmatch_lines([title, told])
    result.stdout.no_fnmatch_line("*test_double-2.jsonl")
    run(suite, "-n", workers, "-m", "not anyio", ".").stdout.fnmatch_lines([title, told])
    for selection in (["-k", "double"], ["test_it.py"], ["--lf"], ["test_it.py::test_double"]):
        run(suite, "-n", workers, *selection).stdout.no_fnmatch_line(title)


@pytest.mark.timeout(600)  # eight workers import FastMCP, twice
def test_eight_workers_damage_and_mix_no_cassettes(suite: pytest.Pytester) -> None:
    shared = "".join(
        f"""
@pytest.mark.anyio
@pytest.mark.mcptap("{mode}", mode="{mode}")
@pytest.mark.parametrize("turn", range(12))
async def test_{mode.replace("-", "_")}(mcptap_client, turn):
    number = turn if "{mode}" == "new-episodes" else 7
    assert await double(mcptap_client, number) == 2 * number
"""
        for mode in ("once", "all", "new-episodes", "rewrite")
    )
    write(suite, test_it=TWO.replace("[1, 2]", "range(24)"), test_shared=shared)
    run(suite, "-n", "8").assert_outcomes(passed=24 + 48)
    for number in range(24):
        assert calls(suite, f"test_it/test_double-{number}.jsonl") == [number]
    assert calls(suite, "once.jsonl") == [7]
    assert calls(suite, "all.jsonl") == [7] * 12
    assert sorted(calls(suite, "new-episodes.jsonl")) == list(range(12))
    assert calls(suite, "rewrite.jsonl") == [7]
    assert len(cassettes(suite)) == 24 + 4
    assert asked(suite) == sorted([*range(24), 7, *[7] * 12, *range(12), *[7] * 12])
    run(suite, "-n", "8", "--mcptap-record-mode=none").assert_outcomes(passed=24 + 48)
    assert len(asked(suite)) == 24 + 1 + 12 + 12 + 12


@pytest.mark.parametrize(
    ("expired", "mode", "outcome", "times_asked"),
    [
        ("warn", "once", {"passed": 1, "warnings": 1}, 1),
        ("error", "once", {"errors": 1}, 1),
        ("re-record", "once", {"passed": 1}, 2),
        ("re-record", "none", {"passed": 1, "warnings": 1}, 1),
    ],
)
def test_a_recording_that_has_expired(
    expired: str, mode: str, outcome: dict[str, int], times_asked: int, suite: pytest.Pytester
) -> None:
    write(suite, test_it=TWO.replace("[1, 2]", "[1]"))
    arguments = ["-o", "mcptap_expires_in=30d", "-o", f"mcptap_expired={expired}"]
    run(suite, *arguments).assert_outcomes(passed=1)
    run(suite, *arguments).assert_outcomes(passed=1)
    (cassette,) = (suite.path / "cassettes").rglob("*.jsonl")
    header, _, rest = cassette.read_text().partition("\n")
    old = json.loads(header) | {"recorded_at": "2020-01-01T00:00:00.000Z"}
    cassette.write_text(f"{json.dumps(old)}\n{rest}")
    result = run(suite, *arguments, f"--mcptap-record-mode={mode}")
    result.assert_outcomes(**outcome)
    if expired != "re-record" or mode == "none":
        result.stdout.fnmatch_lines(["*test_double-1.jsonl has expired * days ago; record it again*"])
    assert len(asked(suite)) == times_asked


def test_the_plugin_imports_nothing_heavy_before_a_test_needs_it() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import mcptap.pytest_plugin; "
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(ast.literal_eval(shown.stdout))
    assert imported - sys.stdlib_module_names == {"mcptap"}


IDS = st.text(st.sampled_from("aAbB1-_./~[] äÄ\u0061\u0308\0"), max_size=70) | st.text(max_size=70)


@given(IDS, IDS)
def test_the_files_of_two_tests_are_never_the_same(one: str, other: str) -> None:
    names = [_file_safe(f"test_it[{each}]") for each in (one, other)]
    assert (names[0].lower() == names[1].lower()) == (one == other)
    for name in names:
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~")
        assert len(name) < 100
