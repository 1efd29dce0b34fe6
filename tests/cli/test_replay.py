"""What `mcptap replay` takes for the same request, and what it says where there is none."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mcptap.matching.columns import PLAIN
from mcptap.tap.screen import look_of
from tests.cli.running import environment, mcptap
from tests.cli.weather import asked, write_weather
from tests.clients.raw import PipeClient, handshake

MATCHERS = """
def any_case(method, params):
    if method == "tools/call":
        params["arguments"]["city"] = params["arguments"]["city"].lower()
    return params

def fussy(method, params):
    if params.get("arguments", {}).get("city") == "Atlantis":
        raise LookupError("it has sunk")
    return params

def by_city(method, params):
    return params["arguments"]["city"]
"""
pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_weather(tmp_path / "weather.jsonl")
    (tmp_path / "matchers.py").write_text(MATCHERS)
    return tmp_path


class Replay(PipeClient):
    """`mcptap replay` of the small cassette, with a client that has shaken hands."""

    def __init__(self, folder: Path, *options: str) -> None:
        argv = [sys.executable, "-P", "-m", "mcptap", "replay", "weather.jsonl", *options]
        super().__init__(argv, cwd=folder, env=environment())

    async def start(self) -> None:
        await super().start()
        await handshake(self)

    async def forecasts(self, *questions: tuple[str, int]) -> list[str]:
        """What each question is answered: the forecast, or why there is none."""
        return [said(await self.call("weather", asked(*one))) for one in questions]

    async def end(self) -> int:
        self.close_stdin()
        return await self.wait()


def said(answer: Any) -> str:
    if "error" in answer.body:
        return str(answer.body["error"]["data"]["reason"] if "data" in answer.body["error"] else "failed")
    return str(answer.body["result"]["content"][0]["text"])


async def test_without_rules_every_field_counts(folder: Path) -> None:
    async with Replay(folder) as replay:
        given = await replay.forecasts(("Berlin", 1), ("Berlin", 9), ("Berlin", 2))
        assert given == ["sunny", "same method but different params", "rain"]
        assert await replay.end() == 1
        assert "3. Record it" in replay.stderr
        assert "--ignore '$.arguments.at'" in replay.stderr
        assert re.search(r"^    \$\.arguments\.at +[12] +9$", replay.stderr, re.MULTILINE)
        assert 'it would have been answered with result {"content"' in replay.stderr
        assert "\x1b" not in replay.stderr


async def test_what_is_ignored_may_differ_and_answers_come_in_order(folder: Path) -> None:
    async with Replay(folder, "--ignore", "$.arguments.at", "--fail-on-unused") as replay:
        given = await replay.forecasts(("Berlin", 7), ("Paris", 7), ("Berlin", 8), ("Berlin", 9))
        assert given == ["sunny", "snow", "rain", "rain"]
        assert await replay.end() == 0
        assert "played 5, repeated 1, missed 0, unused 0" in replay.stderr


async def test_repeats_can_be_misses_or_begin_anew(folder: Path) -> None:
    questions = [("Paris", 3)] * 2
    async with Replay(folder, "--repeats", "error") as replay:
        assert await replay.forecasts(*questions) == ["snow", "already used up"]
        assert await replay.end() == 1
    async with Replay(folder, "--repeats", "cycle", "--ignore", "$.arguments.at") as replay:
        assert await replay.forecasts(*[("Berlin", 0)] * 4) == ["sunny", "rain", "sunny", "rain"]
        assert await replay.end() == 0


async def test_a_sequence_is_held(folder: Path) -> None:
    async with Replay(folder, "--match", "sequence") as replay:
        given = await replay.forecasts(("Berlin", 2), ("Berlin", 1), ("Berlin", 2), ("Paris", 3))
        assert given == ["not next in the recorded sequence", "sunny", "rain", "snow"]
        assert await replay.end() == 1


async def test_a_matcher_of_the_user_s_own(folder: Path) -> None:
    async with Replay(folder, "--match", "matchers:any_case") as replay:
        given = await replay.forecasts(("BERLIN", 1), ("paris", 3), ("Bonn", 3))
        assert given == ["sunny", "snow", "same method but different params"]
        assert await replay.end() == 1


async def test_a_matcher_that_fails_on_a_live_request_says_so_once_and_the_rest_goes_on(folder: Path) -> None:
    async with Replay(folder, "--match", "matchers:fussy") as replay:
        given = await replay.forecasts(("Atlantis", 1), ("Atlantis", 1), ("Berlin", 1))
        assert given == ["failed", "failed", "sunny"]
        assert await replay.end() == 2
        why = "the matcher matchers:fussy failed on tools/call: LookupError: it has sunk"
        assert replay.stderr.count(why) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--ignore", "arguments.at"], "--ignore arguments.at is no JSONPath"),
        (["--match", "sequenz"], "no way to match by 'sequenz'"),
        (["--match", "nowhere:f"], "the matcher nowhere:f can't be loaded: ModuleNotFoundError"),
        (["--match", "matchers:by_city"], "the matcher matchers:by_city failed on initialize: KeyError"),
        (["--repeats", "often"], "Invalid value for '--repeats'"),
        (["--timing", "fast"], "'fast' is no timing; write none, recorded, or a factor such as 0.5"),
        (["--timing", "-1"], "'-1' is no timing"),
        (["--timing", "nan"], "'nan' is no timing"),
        (["--on-miss", "forward"], "no server: put its command after --"),
        (["--", "server"], "a server is asked only with --on-miss forward or --on-miss record"),
    ],
)
def test_a_rule_that_is_none_is_one_line_and_exit_code_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], says: str
) -> None:
    monkeypatch.chdir(folder)
    run = mcptap("replay", "weather.jsonl", *options)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert says in run.stderr


def test_the_printed_entry_hands_the_rules_on(folder: Path) -> None:
    options = ["--ignore", "$.a", "--ignore", "$.b", "--repeats", "cycle", "--match", "sequence"]
    printed = mcptap("replay", folder / "weather.jsonl", *options, "--print-config")
    assert all(f'"{option}"' in printed.stdout for option in options)


# The real server, for what was not recorded

SERVER = """
from fastmcp import FastMCP
server = FastMCP("weather")
@server.tool
def weather(city: str, at: int) -> str:
    return f"{city} is live"
server.run(show_banner=False)
"""


async def test_a_miss_is_forwarded_only_when_it_is_asked_for_and_never_silently(folder: Path) -> None:
    (folder / "server.py").write_text(SERVER)
    before = (folder / "weather.jsonl").read_bytes()
    async with Replay(folder, "--on-miss", "forward", "--", sys.executable, "server.py") as replay:
        assert await replay.forecasts(("Rome", 1), ("Berlin", 1)) == ["Rome is live", "sunny"]
        assert await replay.end() == 0
        assert "forwarded to the server: The cassette has no tools/call of weather" in replay.stderr
        assert "missed 0, unused 2, forwarded 1" in replay.stderr
    assert (folder / "weather.jsonl").read_bytes() == before


async def test_a_miss_is_recorded_into_the_same_cassette(folder: Path) -> None:
    (folder / "server.py").write_text(SERVER)
    async with Replay(folder, "--on-miss", "record", "--", sys.executable, "server.py") as replay:
        assert await replay.forecasts(("Rome", 1), ("Berlin", 1)) == ["Rome is live", "sunny"]
        assert await replay.end() == 0
        assert "recorded 2 interactions" in replay.stderr  # initialize, and the call
    async with Replay(folder) as replay:
        assert await replay.forecasts(("Rome", 1), ("Berlin", 1)) == ["Rome is live", "sunny"]
        assert await replay.end() == 0


async def test_a_folder_can_not_be_recorded_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    run = mcptap("replay", ".", "--on-miss", "record", "--", "server")
    assert run.returncode == 2
    assert "name the cassette that --on-miss record adds to" in run.stderr


# Colour


def test_a_file_gets_plain_text() -> None:
    assert look_of(io.StringIO()) == PLAIN


@pytest.mark.parametrize(
    ("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"CI": "true"}, False)]
)
def test_a_terminal_gets_colour_where_it_wants_it(
    folder: Path, more: dict[str, str], *, coloured: bool
) -> None:
    variables = {name: value for name, value in environment().items() if name != "CI"}
    main, secondary = pty.openpty()
    question = {"method": "tools/call", "params": {"name": "weather", "arguments": asked("Rome", 1)}}
    run = subprocess.run(
        [sys.executable, "-m", "mcptap", "replay", folder / "weather.jsonl"],
        input='{"jsonrpc": "2.0", "id": 1, ' + str(question).replace("'", '"')[1:] + "\n",
        stdout=subprocess.PIPE,
        stderr=secondary,
        env={**variables, "TERM": "xterm", **more},
        encoding="utf-8",
        check=False,
    )
    os.close(secondary)
    shown = os.read(main, 1 << 16).decode()
    os.close(main)
    assert run.returncode == 1
    assert "$.arguments.city" in shown
    assert ("\x1b[31m" in shown) is coloured
