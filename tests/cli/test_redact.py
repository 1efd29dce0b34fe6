"""`mcptap redact` and `mcptap inspect --secrets`, as the user has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mcptap.cassette.format import header_line, interaction_line
from mcptap.cassette.reader import open_cassette
from mcptap.cassette.rewriting import rewrite
from mcptap.cli import mcptap
from mcptap.codec import dumps
from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader, Interaction, Target

GITHUB = "ghp_" + "a1B2" * 9
HEADER = CassetteHeader(
    "1", "2026-11-22T20:00:00.000Z", "mcptap", Target("server", "stdio", ("server", "--api-key", "k3y"))
)
LOGIN = Interaction(
    1,
    1,
    0.5,
    "tools/call",
    {"name": "login", "arguments": {"password": "correcthorse!", "customer": "Bob"}},
    result={"content": [{"type": "text", "text": f"correcthorse! has {GITHUB}"}]},
)
UNKNOWN: dict[str, Any] = {"kind": "of-a-later-mcptap", "anything": 1}


def invoke(*arguments: str | Path) -> Any:
    return CliRunner().invoke(mcptap, [str(each) for each in arguments], standalone_mode=False)


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    path = tmp_path / "old.jsonl"
    lines = [header_line(HEADER), interaction_line(LOGIN), UNKNOWN]
    path.write_bytes(b"".join(dumps(line) + b"\n" for line in lines))
    return path


@pytest.mark.parametrize("name", ["new.jsonl", "new.jsonl.zst"])
def test_it_writes_a_cassette_without_its_secrets(leaky: Path, name: str) -> None:
    before = leaky.read_bytes()
    output = leaky.with_name(name)
    result = invoke("redact", leaky, "-o", output, "--redact-rule", "customer=key:customer")
    assert result.exception is None, result.exception
    assert leaky.read_bytes() == before
    written = b"".join(dumps(line) for _, _, line in open_cassette(output).lines()).decode()
    for secret in ("correcthorse!", "ghp_", "Bob", "k3y"):
        assert secret not in written
    assert written.endswith(dumps(UNKNOWN).decode())
    assert "customer=key:customer" in open_cassette(output).header.redaction


def test_in_place_it_is_the_same_and_a_second_time_changes_nothing(leaky: Path) -> None:
    other = leaky.with_name("other.jsonl")
    assert invoke("redact", leaky, "-o", other).exception is None
    assert invoke("redact", leaky, "--in-place").exception is None
    once = leaky.read_bytes()
    assert once == other.read_bytes()
    assert invoke("redact", leaky, "--in-place").exception is None
    assert leaky.read_bytes() == once
    assert {path.name for path in leaky.parent.iterdir()} == {"old.jsonl", "other.jsonl"}


def test_normalize_takes_times_out_and_leaves_what_is_asked_to_be_left(leaky: Path) -> None:
    assert invoke("redact", leaky, "--in-place", "--normalize", "--no-redact").exception is None
    (interaction,) = open_cassette(leaky).interactions()
    assert interaction.at == 0
    assert interaction.params == LOGIN.params


@pytest.mark.parametrize("where", [(), ("--in-place", "-o", "x.jsonl")])
def test_it_wants_to_know_where_to_write(leaky: Path, where: tuple[str, ...]) -> None:
    assert "where to" in str(invoke("redact", leaky, *where).exception)


def test_a_cassette_that_is_damaged_stays_as_it_is(leaky: Path) -> None:
    with leaky.open("ab") as file:
        file.write(b"{damaged\n{}\n")
    before = leaky.read_bytes()
    assert isinstance(invoke("redact", leaky, "--in-place").exception, CassetteError)
    assert leaky.read_bytes() == before
    assert [path.name for path in leaky.parent.iterdir()] == ["old.jsonl"]


def test_inspect_lists_where_secrets_are_and_never_what(leaky: Path) -> None:
    result = invoke("inspect", leaky, "--secrets")
    assert result.return_value == 1
    assert [line.split()[2:4] for line in result.output.splitlines()] == [
        ["upstream.target[2]", "api-key:"],
        ["params.arguments.password", "password:"],
        ["result.content[0].text", "password:"],
        ["result.content[0].text", "github-token:"],
    ]
    for secret in ("correcthorse!", "ghp_", "k3y"):
        assert secret not in result.output
    found = [json.loads(line) for line in invoke("inspect", leaky, "--secrets", "--json").output.splitlines()]
    assert found[1] == {
        "line": 2,
        "seq": 1,
        "method": "tools/call",
        "path": "params.arguments.password",
        "rule": "password",
        "hint": "‹password›",
    }


def test_a_redacted_cassette_has_nothing_left_to_list(leaky: Path) -> None:
    assert invoke("redact", leaky, "--in-place").exception is None
    result = invoke("inspect", leaky, "--secrets")
    assert (result.return_value, result.output) == (0, "")


def test_a_cassette_is_replaced_only_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    rewrite(path, HEADER, [dumps(interaction_line(LOGIN))])
    before = path.read_bytes()

    def lines() -> Any:
        yield dumps(UNKNOWN)
        raise CassetteError("damaged")

    with pytest.raises(CassetteError):
        rewrite(path, HEADER, lines())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
