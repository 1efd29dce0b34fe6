"""`mcptap demo` plays with real servers and real processes, and tells the truth about what it saw."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mcptap.cassette.reader import open_cassette
from mcptap.cli.demo import command
from mcptap.demo import processes, stage
from mcptap.demo.comparison import compare
from mcptap.demo.script import CAFE, SCRIPTS, TIME, cassette_of
from mcptap.demo.session import Answer
from mcptap.errors import UpstreamError
from mcptap.model import Interaction, Json
from tests.cli.running import mcptap

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
RESULT = {"result": {"content": [{"type": "text", "text": "3"}], "n": 1.0}}


def answers(outcome: Json = RESULT, events: tuple[Json, ...] = ()) -> list[Answer]:
    return [Answer(events, outcome, 1.0) for _ in CAFE.steps]


def test_the_same_answers_are_the_same() -> None:
    later = [replace(answer, ms=99.0) for answer in answers()]
    rows = compare(CAFE, answers(), later)
    assert [row.step for row in rows] == [CAFE.opening, *CAFE.asked]
    assert all(row.same and not row.differences for row in rows)


@pytest.mark.parametrize(
    ("other", "path"),
    [
        (answers({"result": {**RESULT["result"], "n": 2.0}}), "$.result.n"),
        (answers({"result": {**RESULT["result"], "more": None}}), "$.result.more"),
        (answers({"error": {"code": 1}}), "$.error"),
        (answers(events=({"method": "notifications/progress", "params": {"progress": 1}},)), "$.events[0]"),
        (answers({"result": dict(reversed(RESULT["result"].items()))}), None),
        (answers({"result": {**RESULT["result"], "n": 1}}), None),
    ],
)
def test_whatever_differs_is_found(other: list[Answer], path: str | None) -> None:
    for row in compare(CAFE, answers(), other):
        assert not row.same
        assert [field.path for field in row.differences][:1] == ([path] if path else [])


def test_an_answer_that_is_missing_is_no_agreement() -> None:
    with pytest.raises(ValueError, match="zip"):
        compare(CAFE, answers(), answers()[:-1])


def test_processes() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()", "mark-of-this"], stdin=subprocess.PIPE) as child:
        found = next(each for each in processes.running() if each.pid == child.pid)
        assert found.parent == os.getpid()
        assert "mark-of-this" in found.command
        assert not processes.is_gone(found)
        child.kill()
        while not processes.is_gone(found):  # a zombie at first, which counts as gone
            pass
    with pytest.raises(UpstreamError, match="nobody-has-this"):
        processes.child_of("nobody-" + "has-this")


def test_end_to_end(tmp_path: Path) -> None:
    kept = tmp_path / "kept it"
    (shown,) = re.findall(r"<!-- run: demo -->\n```console\n.* && mcptap (.*)\n", README)
    run = mcptap(*shlex.split(shown), "--keep", kept, timeout=110, COLUMNS="80")
    assert (run.returncode, run.stderr) == (0, "")
    assert all(len(line) <= 80 for line in run.stdout.splitlines() if str(kept) not in line)
    marked = [line for line in run.stdout.splitlines() if line.endswith(("✓", "✗"))]
    assert len(marked) == sum(len(script.steps) for script in SCRIPTS)
    assert all(line.endswith("✓") for line in marked)
    assert run.stdout.count(" is gone\n") == len(SCRIPTS)
    for seen in ("3 of 3: cup 3", "user: large", "a large espresso", "tool error: ", "error -32602"):
        assert run.stdout.count(seen) == 2
    assert f"mcptap inspect '{kept / 'cafe.jsonl'}'" in run.stdout
    for script in SCRIPTS:
        cassette = open_cassette(kept / f"{script.name}.jsonl")
        assert [each.method for each in cassette.interactions()] == [step.method for step in script.steps]

    again = mcptap("demo", "--keep", kept)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "exists already" in again.stderr


def slow_call(interactions: list[Interaction]) -> Interaction:
    return next(each for each in interactions if (each.params or {}).get("name") == "slow_roast")


def test_a_tampered_cassette_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    replay = stage.replay

    async def tampering(folder: Path, *others: Any) -> stage.Answers:
        cassette = cassette_of(CAFE, folder)
        live_ms = slow_call(list(open_cassette(cassette).interactions())).ms
        assert live_ms is not None
        assert live_ms >= 400
        cassette.write_text(cassette.read_text().replace("cup 2", "cup 7").replace("roasted", "burnt"))
        played = await replay(folder, *others)
        assert played[CAFE.name][-1].ms is not None
        assert played[CAFE.name][-1].ms < live_ms / 2  # type: ignore[operator]
        return played

    monkeypatch.setattr(stage, "replay", tampering)
    monkeypatch.setenv("COLUMNS", "100")
    run = CliRunner().invoke(command, standalone_mode=False)
    assert run.return_value == 1
    assert "2 of 13 answers differ." in run.output, run.output
    for tool, place in (("brew", "$.events[1].params.message"), ("slow_roast", "$.result.content[0].text")):
        assert re.search(rf"{tool}: the answers differ\n +recorded +live\n{re.escape(place)}", run.output)


def test_a_server_that_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = replace(TIME, argv=(sys.executable, "-c", "raise SystemExit(3)"))
    monkeypatch.setattr(stage, "SCRIPTS", (CAFE, broken))
    result = CliRunner().invoke(command, standalone_mode=False)
    assert isinstance(result.exception, UpstreamError)
    message = str(result.exception)
    assert message.startswith("the demo failed at mcp-server-time: the server ")
    assert "exited with code 3" in message


def test_a_server_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "is_gone", lambda process: False)
    monkeypatch.setattr(stage, "_GONE_WITHIN", 0.1)
    result = CliRunner().invoke(command, standalone_mode=False)
    assert isinstance(result.exception, UpstreamError)
    assert "is still running" in str(result.exception)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'mcp_server_time' else find(name, *more)\n"
    )
    run = mcptap("demo", PYTHONPATH=str(tmp_path))
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "mcptap: the demo needs the demo extra: pip install 'mcptap[demo]'\n"
