"""`mcptap stats` shows where the time goes, and says what is past a threshold."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mcptap.cassette import format as lines
from tests.benchmarks.generated import write as generate
from tests.cassette.samples import SAMPLE, call, write
from tests.cli.running import environment, mcptap
from tests.cli.test_help import SLOW, imported_by

RECORDINGS = Path(__file__).parents[2] / "recordings"


@pytest.fixture(scope="module")
def before_and_after(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("compared")
    old = generate(folder / "old.jsonl", 20_000, seed=1)
    return old, generate(folder / "new.jsonl", 20_000, seed=2, slowdown=1.5)


def test_table(tmp_path: Path) -> None:
    run = mcptap("stats", write(tmp_path / "a.jsonl"))
    assert (run.returncode, run.stderr) == (0, "")
    title, blank, *rows = run.stdout.splitlines()
    assert (title, blank) == ("3 interactions in 1 recording", "")
    numbers = "calls  errors  tool errors   p50   p90   p99   max  share  bytes  proxy p50  proxy"
    assert rows == [
        f"method                tool  {numbers}",
        "subscriptions/listen            1                       1234  1234  1234  1234   100%    0 B       0.50     0%",  # noqa: E501
        "tools/call            now       2                        1.5   1.5   1.5   1.5     0%   85 B       0.12     8%",  # noqa: E501
    ]


def test_folders_of_several_servers() -> None:
    run = mcptap("stats", RECORDINGS)
    assert run.returncode == 0
    heading, *rows = run.stdout.splitlines()[2:]
    assert heading.split()[:3] == ["server", "method", "tool"]
    assert {row.split()[0] for row in rows} == {"everything", "git", "time"}


def test_json() -> None:
    run = mcptap("stats", RECORDINGS, "--json", "--by", "server,outcome")
    shown = json.loads(run.stdout)
    assert (shown["recordings"], shown["interactions"], shown["damaged"]) == (3, 23, [])
    assert {(group["server"], group["outcome"]): group["calls"] for group in shown["groups"]} == {
        ("everything", "ok"): 11,
        ("everything", "error"): 1,
        ("git", "ok"): 6,
        ("time", "ok"): 4,
        ("time", "tool error"): 1,
    }
    assert sum(group["share"] for group in shown["groups"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        (["--where", "method = 'tools/call' AND failed"], 1),
        (["--where", "params->>'$.arguments.timezone' = 'Europe/Berlin'"], 1),
        (["--where", "era = 'modern'", "--by", "era"], 6),
        (["--since", "2026-11-22T22:55:28"], 12),
        (["--since", "2026-11-22T23:55:28+01:00"], 12),
        (["--since", "2026-11-22T22:55:28", "--where", "server = 'git'"], 0),
    ],
)
def test_choosing(options: list[str], calls: int) -> None:
    run = mcptap("stats", RECORDINGS, "--json", *options)
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout)["interactions"] == calls


def test_how_long_ago(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")  # recorded in 2026
    for since, calls in (("36500d", 3), ("1s", 0)):
        shown = json.loads(mcptap("stats", path, "--since", since, "--json").stdout)
        assert shown["interactions"] == calls


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "name recordings"),
        (["{}", "--compare", "{}", "{}"], 2, "name recordings"),
        (["{}", "--where", "nowhere > 1"], 2, "nowhere"),
        (["{}", "--where", "ms >"], 2, "can't be used"),
        (["{}", "--where", ""], 2, "can't be used"),
        (["{}", "--by", "colour"], 2, "colour"),
        (["{}", "--since", "yesterday"], 2, "is no time"),
        (["{}", "--since", ""], 2, "is no time"),
        (["{}", "--since", "99999999999d"], 2, "before all time"),
        (["{}", "--since", "0001-01-01T00:00+10:00"], 2, "before all time"),
        (["{}", "--fail-if", "p99 >"], 2, "is no condition"),
        (["{}", "--fail-if", "p99 > 2x"], 2, "--compare"),
        (["absent.jsonl"], 3, "does not exist"),
        (["{folder}"], 3, "there are no cassettes"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    cassette, folder = write(tmp_path / "a.jsonl"), tmp_path / "folder"
    folder.mkdir()
    filled = [each.replace("{folder}", str(folder)).replace("{}", str(cassette)) for each in arguments]
    run = mcptap("stats", *filled)
    assert (run.returncode, run.stdout) == (code, "")
    assert message in run.stderr
    assert run.stderr.count("\n") == 1


def test_an_empty_cassette(tmp_path: Path) -> None:
    run = mcptap("stats", write(tmp_path / "a.jsonl", []))
    assert (run.returncode, run.stdout, run.stderr) == (0, "0 interactions in 1 recording\n", "")


def test_damage_is_told_and_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    content = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*content[:4], b"rubbish\n", *content[4:]]))
    whole = mcptap("stats", write(tmp_path / "b.jsonl"))
    run = mcptap("stats", path)
    assert (run.returncode, run.stdout) == (0, whole.stdout)
    assert (
        run.stderr
        == f"mcptap: note: a damaged line is passed over in {path}, line 5: it is not a JSON object\n"
    )
    assert json.loads(mcptap("stats", path, "--json").stdout)["damaged"][0]["lines"] == [5]


def test_before_and_after(before_and_after: tuple[Path, Path]) -> None:
    run = mcptap("stats", "--compare", *before_and_after, "--by", "server", "--fail-if", "p99 > 1.2x")
    assert run.returncode == 1
    assert "p99 is 1." in run.stderr
    assert run.stderr.count("\n") == 1
    heading, *rows = run.stdout.splitlines()
    assert "95 % interval" in heading
    assert len(rows) == 3
    shown = json.loads(mcptap("stats", "--compare", *before_and_after, "--by", "server", "--json").stdout)
    for change in shown["groups"][0]["changes"].values():
        assert change["low"] <= 1.5 <= change["high"]
        assert change["low"] > 1.2 or change["high"] - change["low"] > 0.2


def test_no_change_passes(before_and_after: tuple[Path, Path]) -> None:
    old, _ = before_and_after
    run = mcptap("stats", "--compare", old, old, "--fail-if", "p99 > 1.2x", "--fail-if", "calls < 1x")
    assert (run.returncode, run.stderr) == (0, "")


def test_absolute_thresholds_name_each_group(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl")
    run = mcptap("stats", path, "--fail-if", "p99 > 50ms", "--fail-if", "errors > 0")
    assert run.returncode == 1
    assert run.stderr == "mcptap: time subscriptions/listen: p99 is 1234.50 ms, past 'p99 > 50ms'\n"


def test_tools_that_came_and_went(tmp_path: Path) -> None:
    old = write(tmp_path / "old.jsonl", [lines.interaction_line(call(1, tool="gone"))])
    new = write(tmp_path / "new.jsonl", [lines.interaction_line(call(1, tool="come"))])
    out = mcptap("stats", "--compare", old, new).stdout
    assert "only in NEW" in out
    assert "only in OLD" in out


HUNG = [lines.begin_line(call(each)) for each in (1, 2)]


def test_what_hangs_is_no_healthy_tool(tmp_path: Path) -> None:
    heading, row = mcptap("stats", write(tmp_path / "a.jsonl", HUNG)).stdout.splitlines()[2:]
    assert "unanswered" in heading
    assert row.split()[:4] == ["tools/call", "now", "2", "2"]


@pytest.mark.parametrize("condition", ["p99 > 1.2x", "p99 > 1ms", "calls < 1x"])
def test_a_gate_is_shut_where_nothing_could_be_compared(tmp_path: Path, condition: str) -> None:
    old, new = write(tmp_path / "old.jsonl"), write(tmp_path / "new.jsonl", [])
    run = mcptap("stats", "--compare", old, new, "--fail-if", condition)
    assert run.returncode == 1
    assert f"mcptap: there is nothing to hold {condition!r} against\n" in run.stderr
    shown = json.loads(mcptap("stats", "--compare", old, new, "--fail-if", condition, "--json").stdout)
    assert (shown["past"], shown["unheld"]) == ([], [condition])
    if "x" not in condition:
        assert mcptap("stats", new, "--fail-if", condition).returncode == 1


def test_a_gate_is_shut_where_a_tool_answers_no_more(tmp_path: Path) -> None:
    healthy = lines.interaction_line(call(9, tool="healthy"))
    old = write(tmp_path / "old.jsonl", [healthy, *map(lines.interaction_line, (call(1), call(2)))])
    new = write(tmp_path / "new.jsonl", [healthy, *HUNG])
    run = mcptap("stats", "--compare", old, new, "--fail-if", "p99 > 1.2x")
    assert run.returncode == 1
    assert run.stderr == "mcptap: tools/call now: p99 is none any more, past 'p99 > 1.2x'\n"
    assert re.search(r"no times .* 2 → 2 +0 → 2$", run.stdout, flags=re.MULTILINE)


def test_a_gate_tells_of_tools_that_came_and_went_and_stays_open(tmp_path: Path) -> None:
    both = lines.interaction_line(call(9, tool="both"))
    old = write(tmp_path / "old.jsonl", [both, lines.interaction_line(call(1, tool="gone"))])
    new = write(tmp_path / "new.jsonl", [both, lines.interaction_line(call(1, tool="come"))])
    run = mcptap("stats", "--compare", old, new, "--fail-if", "p99 > 1.2x")
    assert run.returncode == 0
    assert run.stderr.splitlines() == [
        "mcptap: note: tools/call gone is only in OLD",
        "mcptap: note: tools/call come is only in NEW",
    ]


def test_numbers_that_are_none_are_not_shown(tmp_path: Path) -> None:
    made = '{"kind":"interaction","seq":%d,"session":1,"at":1,"ms":%s,"method":"%s","result":{}}'
    times = [("0", "zero"), ("1e999", "endless"), ("1e999", "endless"), ("1e300", "long")]
    for name, factor in (("old", ""), ("new", "1")):
        path = write(tmp_path / f"{name}.jsonl", [])
        content = "".join(
            made % (seq, factor + ms, method) + "\n" for seq, (ms, method) in enumerate(times, 1)
        )
        path.write_text(path.read_text() + content)
    out = mcptap("stats", "--compare", tmp_path / "old.jsonl", tmp_path / "new.jsonl").stdout
    out += mcptap("stats", tmp_path / "old.jsonl").stdout
    assert not re.search(r"\binf|nan|\d{20}", out)
    assert "1.0e+300" in out


def test_a_comparison_of_nothing_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [])
    run = mcptap("stats", "--compare", path, path)
    assert (run.returncode, run.stdout) == (0, "nothing to compare: neither OLD nor NEW has an interaction\n")


def test_it_imports_nothing_slow(tmp_path: Path) -> None:
    assert imported_by("stats", str(write(tmp_path / "a.jsonl"))).isdisjoint(
        {*SLOW, "pandas", "numpy", "altair"}
    )


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_a_narrow_terminal_shows_what_a_tool_is_called(tmp_path: Path, columns: int) -> None:
    content = [*SAMPLE, lines.interaction_line(call(9, tool="t" * 200))]
    out = mcptap("stats", write(tmp_path / "a.jsonl", content), COLUMNS=str(columns)).stdout
    assert max(map(len, out.splitlines())) <= columns
    assert "t" * 19 + "…" in out
    assert {"method", "tool", "calls", "p99"} <= set(out.splitlines()[2].split())


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_a_narrow_terminal_has_room_for_several_servers(columns: int) -> None:
    heading, *rows = mcptap("stats", RECORDINGS, COLUMNS=str(columns)).stdout.splitlines()[2:]
    assert max(map(len, (heading, *rows))) <= columns
    assert heading.index("calls") - heading.index("tool") >= 22
    assert any("trigger-long-runnin" in row for row in rows)


def test_a_comparison_fits_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [lines.interaction_line(call(9, tool="t" * 200))])
    out = mcptap("stats", "--compare", path, path, COLUMNS="80").stdout
    assert max(map(len, out.splitlines())) <= 80
    assert "t" * 19 + "…" in out
    assert "change" in out


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    content = [lines.interaction_line(call(1, tool="\x1b[31mred\r\n"))]
    out = mcptap("stats", write(tmp_path / "a.jsonl", content)).stdout
    assert all(line.isprintable() for line in out.split("\n"))


def on_terminal(*arguments: str | Path) -> bytes:
    """What goes to stderr where that is a terminal."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "mcptap", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=slave, env=environment(TERM="xterm")
    ) as process:
        os.close(slave)
        seen = b""
        try:
            while chunk := os.read(master, 1 << 16):
                seen += chunk
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(master)
    assert process.returncode == 0
    return seen


def test_what_is_quick_shows_no_progress(tmp_path: Path) -> None:
    assert on_terminal("stats", write(tmp_path / "a.jsonl")) == b""
