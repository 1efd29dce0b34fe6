"""`mcptap verify`, as the user has it: against real processes."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from mcptap.cassette.reader import open_cassette
from mcptap.cli.junit import write_junit
from mcptap.cli.sarif import write_sarif
from mcptap.comparing.finding import Finding, Verdict
from mcptap.errors import UsageError
from tests.cli.running import mcptap
from tests.stdio.conversation import converse
from tests.stdio.support import recording, run

SERVER = """
import asyncio, sys
from fastmcp import FastMCP

server = FastMCP("shop")
version = int(sys.argv[1])

@server.tool
def price(item: str, {more}) -> dict:
    "What an item costs."
    return {{"item": item, "price": version, "at": str(id(object()))}}

@server.tool
def stock(item: str) -> str:
    "How many there are."
    return f"3 of {{item}}"

server.run("stdio", show_banner=False)
"""


def shop(folder: Path, version: int) -> list[str]:
    """The command of a server in one of its versions."""
    more = "currency: str" if version == 2 else "currency: str = 'EUR'"
    script = folder / f"shop{version}.py"
    script.write_text(SERVER.format(more=more), encoding="utf-8")
    return [sys.executable, str(script), str(version)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    path = folder / "rec.jsonl"

    async def talk() -> None:
        async with recording(path, *shop(folder, 1)) as client:
            await client.request(
                "initialize",
                {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "clientInfo": {"name": "t", "version": "1"},
                },
            )
            await client.notify("notifications/initialized")
            await client.request("tools/list")
            await client.call("price", {"item": "tea"})
            await client.call("stock", {"item": "tea"})
            client.close_stdin()
            assert await client.wait(60) == 0

    run(talk())
    return path


@pytest.fixture
def cassette(recorded: Path, tmp_path: Path) -> Path:
    path = tmp_path / "rec.jsonl"
    path.write_bytes(recorded.read_bytes())
    return path


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_a_server_holds_what_was_recorded_of_it_in_both_eras(era: Any, tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"

    async def talk() -> None:
        async with recording(path, era=era) as client:
            await converse(client)
            client.close_stdin()
            assert await client.wait(60) == 0

    run(talk())
    ran = mcptap("verify", path, "--json", "--", sys.executable, "-m", "tests.servers.wire")
    *verdicts, numbers = lines(ran.stdout)
    assert [verdict for verdict in verdicts if verdict["verdict"] != "same"] == []
    assert ran.returncode == 0, ran.stderr
    assert numbers["summary"]["same"] == len(verdicts) > 50


def test_what_differs_is_shown_by_tool_the_worst_first_and_the_exit_code_says_so(cassette: Path) -> None:
    ran = mcptap("verify", cassette, "--ignore", "$..at", "--", *shop(cassette.parent, 2), COLUMNS="100")
    assert ran.returncode == 1, ran.stderr
    text = ran.stdout
    title, empty, tool, columns, worst, *_ = text.splitlines()
    assert title.endswith("2 the same, 2 differ (1 breaking), 0 skipped")
    assert (empty, tool, columns.split()) == ("", "tool price", ["recorded", "│", "live"])
    assert worst.split() == [
        "breaking", "what", "it", "takes:", "newly", "required:", "currency", "(interaction", "2)"
    ]  # fmt: skip
    assert "  difference  the result (interaction 3)" in text
    assert "\ntool stock " in text  # how long it took
    assert max(map(len, text.splitlines()[1:])) <= 100


def test_the_same_server_is_clean_once_what_is_different_each_time_is_ignored(cassette: Path) -> None:
    server = shop(cassette.parent, 1)
    before = cassette.read_bytes()
    ran = mcptap("verify", cassette, "--ignore", "$..at", "--", *server)
    assert ran.returncode == 0, ran.stdout
    assert cassette.read_bytes() == before


def test_programs_get_a_verdict_a_line(cassette: Path) -> None:
    ran = mcptap("verify", cassette, "--json", "--seq", "3", "--", *shop(cassette.parent, 2))
    verdict, numbers = lines(ran.stdout)
    assert (verdict["seq"], verdict["method"], verdict["target"]) == (3, "tools/call", "price")
    assert verdict["verdict"] == "differs"
    assert verdict["findings"]
    assert numbers == {"summary": {"interactions": 1, "same": 0, "differs": 1, "skipped": 0, "breaking": 0}}


def test_who_has_seen_enough_gets_no_error(cassette: Path) -> None:
    server = shlex.join(shop(cassette.parent, 1))
    line = f"{shlex.quote(sys.executable)} -m mcptap verify {cassette} --json -- {server} | true"
    ran = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=100, check=False)
    assert "mcptap: " not in ran.stderr


def test_reports_for_ci(cassette: Path) -> None:
    junit, sarif = cassette.with_name("junit.xml"), cassette.with_name("sarif.json")
    server = shop(cassette.parent, 2)
    ran = mcptap("verify", cassette, "--junit", junit, "--sarif", sarif, "--", *server)
    assert ran.returncode == 1
    suites = ET.parse(junit).getroot()
    (suite,) = suites
    assert suites.tag == "testsuites"
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "2",
        "errors": "0",
        "skipped": "0",
    }
    failures = {case.get("name"): case.find("failure") for case in suite}
    listing = failures["interaction 2: tools/list"]
    assert listing is not None
    assert listing.get("type") == "breaking"
    assert "newly required: currency" in str(listing.text)

    report = json.loads(sarif.read_text(encoding="utf-8"))
    (sarif_run,) = report["runs"]
    rules = {rule["id"] for rule in sarif_run["tool"]["driver"]["rules"]}
    numbered = cassette.read_text(encoding="utf-8").splitlines()
    assert sarif_run["results"]
    for result in sarif_run["results"]:
        assert result["ruleId"] in rules
        assert result["level"] in {"error", "warning", "note"}
        (place,) = result["locations"]
        line = numbered[place["physicalLocation"]["region"]["startLine"] - 1]
        assert f"(interaction {json.loads(line)['seq']})" in result["message"]["text"]
    assert report["version"] == "2.1.0"


def assert_updated(before: bytes, after: bytes, seqs: set[int]) -> None:
    """The lines of ``seqs`` are new, and all others are the same; a slow request has several lines."""
    texts = [text.splitlines(keepends=True) for text in (before, after)]
    kept = [[line for line in lines if json.loads(line).get("seq") not in seqs] for lines in texts]
    assert kept[0] == kept[1]
    new = [json.loads(line) for line in texts[1] if line not in texts[0]]
    assert {line["seq"] for line in new} == seqs
    assert {line["kind"] for line in new} == {"interaction"}


def test_update_records_what_differs_and_touches_no_other_line(cassette: Path) -> None:
    server = shop(cassette.parent, 2)
    before = cassette.read_bytes()
    ran = mcptap("verify", cassette, "--update", "--", *server)
    assert ran.returncode == 0, ran.stderr
    assert "updated 2 interactions" in ran.stderr
    assert_updated(before, cassette.read_bytes(), {2, 3})
    assert mcptap("doctor", cassette).returncode == 0
    assert mcptap("verify", cassette, "--ignore", "$..at", "--", *server).returncode == 0
    (price,) = [each for each in open_cassette(cassette).interactions() if each.seq == 3]
    assert price.result is not None
    assert price.result["isError"] is True


def test_update_takes_only_what_was_named(cassette: Path) -> None:
    before = cassette.read_bytes()
    ran = mcptap("verify", cassette, "--update", "--seq", "3", "--", *shop(cassette.parent, 2))
    assert ran.returncode == 0, ran.stderr
    assert_updated(before, cassette.read_bytes(), {3})


def test_each_kind_of_trouble_has_its_exit_code_and_one_line(cassette: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/mcp"
    cases: list[tuple[int, list[str | Path]]] = [
        (2, [cassette]),
        (2, [cassette, "--ignore", "$[", "--", "true"]),
        (2, [cassette, "--seq", "99", "--", "true"]),
        (2, [cassette, "--secret", "NO_SUCH_VARIABLE", "--", "true"]),
        (3, [tmp_path / "none.jsonl", "--", "true"]),
        (4, [cassette, "--", "no-such-command"]),
        (4, [cassette, "--", "true"]),
        (4, [cassette, "--url", nobody]),
    ]
    for code, arguments in cases:
        ran = mcptap("verify", *arguments)
        assert (ran.returncode, ran.stdout) == (code, ""), (arguments, ran)
        assert ran.stderr.startswith("mcptap: ")
        assert ran.stderr.count("\n") == 1


def test_reports_hold_any_text(recorded: Path, tmp_path: Path) -> None:
    found = Finding("breaking", "$.x\x1b", "te{x}t", {"a": "\ud800"}, about="tool \x00<&")
    verdicts = [
        Verdict(3, 1, "tools/call", "b\x00\ud800", (found,), notes=("n\x00",)),
        Verdict(4, 1, "tools/call", None, skipped="why"),
    ]
    write_junit(tmp_path / "j.xml", open_cassette(recorded), verdicts)
    (suite,) = ET.parse(tmp_path / "j.xml").getroot()
    assert suite[0][0].get("message") == "te{x}t"
    assert suite[1][0].get("message") == "why"
    write_sarif(tmp_path / "s.json", open_cassette(recorded), verdicts)
    (result,) = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))["runs"][0]["results"]
    # A single brace would be a placeholder's (SARIF 2.1.0, section 3.11.5).
    assert "te{{x}}t" in result["message"]["text"]
    with pytest.raises(UsageError, match="can't be written"):
        write_sarif(tmp_path / "no" / "s.json", open_cassette(recorded), verdicts)
