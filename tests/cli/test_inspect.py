"""`mcptap inspect` shows a cassette to people and to programs."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from mcptap.cassette import format as lines
from mcptap.model import Event, Interaction, SessionStart
from tests.cassette.samples import SAMPLE, SPLIT, call, write
from tests.cli.running import environment, mcptap

EVENTS = "1 progress, 1 sampling/createMessage"


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    return write(tmp_path / "sample.jsonl")


def test_list(cassette: Path) -> None:
    run = mcptap("inspect", cassette)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == [
        "time over stdio, recorded 2026-11-22T20:00:00.000Z by mcptap 0.1.0",
        "3 interactions, 1 session, 1 message, 1 gap",
        "",
        "seq      at  method                            target      ms  outcome       events",
        "     0.001s  (session opened)                  tests                         handshake, stdio",
        "  1  0.250s  tools/call                        now        1.5  ok",
        "     2.500s  notifications/tools/list_changed                  from server",
        "  2  0.250s  subscriptions/listen                      1234.5  disconnected  " + EVENTS,
        "     3.000s  No space left on device                           gap           2 lost",
        "  3  0.750s  tools/call                        now        1.5  ok",
    ]


def answered(**answer: object) -> Interaction:
    return Interaction(seq=1, session=1, at=0, method="tools/call", params={"name": "x"}, **answer)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("interaction", "outcome"),
    [
        (answered(result={}), "ok"),
        (answered(result={"isError": True}), "tool error"),
        (answered(result={"resultType": "input_required"}), "input_required"),
        (answered(error={"code": -32601, "message": "no"}), "error -32601"),
        (answered(outcome="cancelled"), "cancelled"),
        (answered(outcome="disconnected"), "disconnected"),
        (answered(outcome="unanswered"), "unanswered"),
    ],
)
def test_outcomes(tmp_path: Path, interaction: Interaction, outcome: str) -> None:
    path = write(tmp_path / "a.jsonl", [lines.interaction_line(interaction)])
    assert mcptap("inspect", path).stdout.splitlines()[-1].endswith(f"  {outcome}")
    assert f"outcome  {outcome}\n" in mcptap("inspect", path, "--seq", "1").stdout


def test_sessions_are_told_apart(tmp_path: Path) -> None:
    second = SessionStart(2, 1.0, "modern", "http", None)
    content = [*SAMPLE, lines.session_line(second), lines.interaction_line(call(4, session=2))]
    out = mcptap("inspect", write(tmp_path / "two.jsonl", content)).stdout.splitlines()
    assert "2 sessions" in out[1]
    assert out[3].split()[:3] == ["seq", "session", "at"]
    assert out[-1].split()[:2] == ["4", "2"]


def test_request_without_end(tmp_path: Path) -> None:
    path = write(tmp_path / "open.jsonl", [lines.begin_line(SPLIT)])
    assert "unanswered" in mcptap("inspect", path).stdout
    assert json.loads(mcptap("inspect", path, "--json").stdout)["outcome"] == "unanswered"


def test_one_whole(cassette: Path) -> None:
    run = mcptap("inspect", cassette, "--seq", "2")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == (
        "subscriptions/listen\n"
        "  seq      2\n"
        "  session  1\n"
        "  at       0.25 s\n"
        "  ms       1234.5\n"
        "  proxy_ms 0.5\n"
        "  outcome  disconnected\n"
        "\nparams\n  {}\n"
        "\nevents\n"
        "  +3.25 ms  from server: notifications/progress\n"
        '    {\n      "progress": 1e0\n    }\n'
        "  +1050 ms  from server: sampling/createMessage, answered after 12 ms\n"
        '    {\n      "n": 1\n    }\n'
        '    result\n      {\n        "role": "user"\n      }\n'
    )


def test_numbers_are_exact(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [])
    exact = '{"a":1.0,"b":1e-7,"c":123456789012345678901234567890,"d":-0}'
    line = f'{{"kind":"interaction","seq":1,"session":1,"at":0,"method":"x","result":{exact}}}\n'
    path.write_text(path.read_text() + line)
    whole = mcptap("inspect", path, "--seq", "1").stdout
    assert "".join(whole.partition("result\n")[2].split()) == exact
    assert f'"result":{exact}' in mcptap("inspect", path, "--json").stdout


def test_trace(tmp_path: Path) -> None:
    traced = Interaction(1, 1, 0, "ping", result={}, trace_id="0af7", span_id="b7ad")
    out = mcptap(
        "inspect", write(tmp_path / "a.jsonl", [lines.interaction_line(traced)]), "--seq", "1"
    ).stdout
    assert "trace    0af7\n" in out
    assert "span     b7ad\n" in out


def test_json(cassette: Path) -> None:
    run = mcptap("inspect", cassette, "--json")
    assert (run.returncode, run.stderr) == (0, "")
    objects = run.stdout.removesuffix("\n").split("\n")  # U+2028 is no end of a line
    expected = [lines.interaction_line(each) for each in (call(1), SPLIT, call(3, answer="one"))]
    assert [json.loads(each) for each in objects] == expected
    assert mcptap("inspect", cassette, "--json", "--seq", "2").stdout == objects[1] + "\n"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_torn(cassette: Path, options: list[str]) -> None:
    whole = mcptap("inspect", cassette, *options)
    cassette.write_bytes(cassette.read_bytes() + b'{"kind":"inter')
    run = mcptap("inspect", cassette, *options)
    assert run.returncode == 0
    assert run.stdout == whole.stdout
    assert run.stderr == f"mcptap: note: the last line of {cassette} is torn: 14 bytes are passed over\n"


@pytest.mark.parametrize("options", [[], ["--json"], ["--seq", "3"]])
def test_damaged(cassette: Path, options: list[str]) -> None:
    content = cassette.read_bytes().splitlines(keepends=True)
    cassette.write_bytes(b"".join([*content[:4], b"rubbish\n", *content[4:]]))
    run = mcptap("inspect", cassette, *options)
    assert run.returncode == 3
    assert f"mcptap: {cassette} is damaged in line 5: " in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [[], ["--json"], ["--seq", "1"]])
def test_no_cassette(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "empty.jsonl").touch()
    for name in ("absent.jsonl", "empty.jsonl", "."):
        run = mcptap("inspect", tmp_path / name, *options)
        assert (run.returncode, run.stdout) == (3, "")
        assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_unknown_seq(cassette: Path, options: list[str]) -> None:
    run = mcptap("inspect", cassette, "--seq", "99", *options)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith(f"mcptap: {cassette} has no interaction 99; ")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_narrow_terminal(tmp_path: Path, columns: int) -> None:
    long = answered(
        result={}, events=tuple(Event(1, "server", f"notifications/{kind * 30}") for kind in "abc"), ms=1.0
    )
    content = [lines.interaction_line(long), *(lines.interaction_line(call(9, tool="t" * 200)) for _ in "ab")]
    out = mcptap("inspect", write(tmp_path / "a.jsonl", content), COLUMNS=str(columns)).stdout
    table = out.splitlines()[3:]
    assert max(map(len, table)) <= columns
    assert "ttt…" in out
    assert all("tools/call" in line for line in table[1:])


HOSTILE = "\x1b[31mred\x1b[0m\r\n\x07\u202e\x9b2J\ud800"


@pytest.mark.parametrize("options", [[], ["--seq", "1"]])
def test_control_characters(tmp_path: Path, options: list[str]) -> None:
    spoken = Event(1, "server", HOSTILE, {HOSTILE: HOSTILE})
    interaction = Interaction(
        1, 1, 0, HOSTILE, {"name": HOSTILE}, result={HOSTILE: [HOSTILE]}, events=(spoken,), trace_id=HOSTILE
    )
    path = write(tmp_path / "a.jsonl", [lines.interaction_line(interaction)])
    named = Interaction(2, 1, 0, "tools/call", {"name": HOSTILE}, error={"code": HOSTILE, "message": HOSTILE})
    content = [lines.interaction_line(interaction), lines.interaction_line(named)]
    path = write(tmp_path / "b.jsonl", content)
    run = mcptap("inspect", path, *options)
    assert run.returncode == 0
    assert all(line.isprintable() for line in run.stdout.split("\n"))
    assert "\\u001b[31m" in run.stdout


def test_output_that_cannot_show_everything(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [lines.interaction_line(call(1, tool="東京" * 60))])
    run = mcptap("inspect", path, PYTHONIOENCODING="latin-1", COLUMNS="60")
    assert (run.returncode, run.stderr) == (0, "")
    assert "\\u6771\\u4eac" in run.stdout
    assert "..." in run.stdout


def on_terminal(path: Path, **more: str) -> bytes:
    """What `mcptap inspect` writes to a terminal."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "mcptap", "inspect", str(path)]
    with subprocess.Popen(command, stdout=slave, env=environment(TERM="xterm") | more) as process:
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


def test_colour(cassette: Path) -> None:
    assert b"\x1b[" in on_terminal(cassette)
    assert b"\x1b[" not in on_terminal(cassette, NO_COLOR="1")
    assert b"\x1b[" not in on_terminal(cassette, TERM="dumb")
    assert "\x1b[" not in mcptap("inspect", cassette, TERM="xterm").stdout


@pytest.mark.parametrize("option", [None, "--json"])
def test_broken_pipe(tmp_path: Path, option: str | None) -> None:
    path = write(tmp_path / "long.jsonl", [lines.interaction_line(call(seq)) for seq in range(5000)])
    command = [sys.executable, "-m", "mcptap", "inspect", str(path), *([option] if option else [])]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment()) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141
