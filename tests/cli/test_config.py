"""`--config` refuses what doesn't go together: one line, exit code 2, and nothing started."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import mcptap

GOOD = '{"mcpServers": {"a": {"command": "x"}, "off": {"command": "x", "disabled": true}}}'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "none.json"], "there is no configuration"),
        (["--config", "GOOD", "--server", "b"], "has no server 'b'; it has a, off"),
        (["--server", "b"], "--config FILE"),
        (["--config", "GOOD", "--url", "http://h"], "--config names the servers"),
        (["--config", "GOOD", "-H", "A: b"], "--config names the servers"),
        (["--config", "GOOD", "--", "x"], "--config names the servers"),
        (["--config", "GOOD", "--name", "n"], "--name is for one server"),
        (["--config", "GOOD", "--path", "/x"], "--path is for one server"),
        (["--config", "GOOD", "--transport", "stdio"], "--transport stdio is for one server"),
        (["--config", "OFF"], "are disabled"),
        (["--config", "DOTS"], "can't have a path of that name"),
    ],
)
@pytest.mark.parametrize("verb", ["record", "proxy"])
def test_refused(verb: str, arguments: list[str], message: str, tmp_path: Path) -> None:
    texts = {
        "GOOD": GOOD,
        "OFF": '{"mcpServers": {"a": {"command": "x", "disabled": true}}}',
        "DOTS": '{"mcpServers": {"..": {"command": "x"}}}',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    run = mcptap(verb, *(str(tmp_path / word) if word in texts else word for word in arguments))
    assert run.returncode == 2, run.stderr
    assert message in run.stderr
    assert run.stderr.count("\n") == 1


def test_many_servers_do_not_go_into_one_cassette(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text(GOOD)
    run = mcptap("record", "--config", tmp_path / "mcp.json", "-o", tmp_path / "one.jsonl")
    assert run.returncode == 2
    assert "name a folder with -o" in run.stderr
    assert not (tmp_path / "one.jsonl").exists()


BAD = [
    ("c.json", "servers: a", "c.json, line 1 is not JSON"),
    ("c.toml", "servers: a", "c.toml, line 1 is not TOML"),
    ("c.json", "{}", 'has no servers; it needs a table like {"mcpServers"'),
    ("c.toml", "a = 1", "has no servers; it needs a table like [mcp_servers.NAME]"),
    ("c.json", '{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}', "'a' is named twice"),
    ("c.toml", "[mcp_servers.a]\ncommand = 'x'\n[mcp_servers.a]\n", "line 3 is not TOML: Cannot declare"),
    ("c.json", '{"mcpServers": {"a": {"command": "x", "url": "http://h/"}}}', "both 'command' and 'url'"),
    ("c.toml", "[mcp_servers.a]\ncommand = 'x'\nurl = 'http://h/'\n", "both 'command' and 'url'"),
    ("c.json", '{"mcpServers": {"a": {"comand": "x"}}}', "unknown key 'comand'; did you mean 'command'?"),
    ("c.toml", "[mcp_servers.a]\ncomand = 'x'\n", "unknown key 'comand'; did you mean 'command'?"),
    (
        "c.json",
        '{"mcpServers": {"a": {"url": "http://h", "headers": {"X": "ses\\u00e9same"}}}}',
        "'a': the header X has a character",
    ),
    ("c.json", '{"mcpServers": {"a": {"command": "${NOT_SET_HERE}"}}}', "variable NOT_SET_HERE is not set"),
    ("c.toml", "[mcp_servers.a]\ncommand = '${NOT_SET_HERE}'\n", "variable NOT_SET_HERE is not set"),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD)
@pytest.mark.parametrize("verb", ["record", "proxy"])
def test_what_is_wrong_in_a_configuration_is_one_line_and_nothing_is_started_or_written(
    verb: str, name: str, text: str, message: str, tmp_path: Path
) -> None:
    config = tmp_path / name
    config.write_text(text)
    where = ["-o", str(tmp_path / "rec")] if verb == "record" else []
    run = mcptap(verb, "--config", config, "--port", "0", *where)
    assert run.returncode == 2, run.stderr
    assert message in run.stderr
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert config.read_text() == text


@pytest.mark.parametrize("url", ["http://h/mcp", "http://h/sse", "ws://h/ws"])
@pytest.mark.parametrize("header", ["X: sesame\nY: z", "X: sesam\u00e9", "X Y: sesame"])
def test_a_header_that_http_can_not_carry_is_refused_without_its_value(url: str, header: str) -> None:
    run = mcptap("proxy", "--url", url, "-H", header)
    assert run.returncode == 2, run.stderr
    assert "header" in run.stderr
    assert "sesam" not in run.stderr
    assert run.stderr.count("\n") == 1
