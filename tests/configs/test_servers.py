"""Client configurations are read in every spelling, and refused in one line that says where and what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mcptap.clients.entries import Entry
from mcptap.clients.servers import choose, read_servers
from mcptap.errors import UsageError

ENVIRONMENT = {"TOKEN": "secret", "EMPTY": ""}


def targets(tmp_path: Path, text: str, name: str = "mcp.json") -> dict[str, Any]:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return {server.name: shown(server.resolved(ENVIRONMENT)) for server in read_servers(path)}


def shown(entry: Entry) -> dict[str, Any]:
    """The parts of an entry that say how to connect, as one would write them."""
    if entry.command:
        command, *arguments = entry.command
        found: dict[str, Any] = {"command": command, "args": arguments, "env": entry.env}
        return found | ({"cwd": entry.cwd} if entry.cwd else {})
    found = {"url": entry.url, "headers": entry.headers}
    return found | ({"type": entry.transport} if entry.transport else {})


READ: list[tuple[str, str, dict[str, Any]]] = [
    ("mcp.json", '{"mcpServers": {"a": {"command": "x"}}}', {"command": "x", "args": [], "env": {}}),
    (
        "mcp.json",
        '\ufeff{ // VS Code\n"servers": {"a": {"type": "stdio", "command": "x", "args": ["-n", 1,],},}}',
        {"command": "x", "args": ["-n", "1"], "env": {}},
    ),
    (
        "settings.json",
        '{"editor.x": 1, "mcp": {"servers": {"a": {"type": "sse", "url": "http://h/x"}}}}',
        {"url": "http://h/x", "headers": {}, "type": "sse"},
    ),
    (
        "mcp.json",
        '{"mcpServers": {"a": {"httpUrl": "http://h/sse", "headers": {"K": "${TOKEN}"}, "trust": true}}}',
        {"url": "http://h/sse", "headers": {"K": "secret"}, "type": "http"},
    ),
    (
        "mcp.json",
        '{"mcpServers": {"a": {"serverUrl": "http://h/${TOKEN}", "type": "streamable-http"}}}',
        {"url": "http://h/secret", "headers": {}, "type": "http"},
    ),
    ("mcp.json", '{"a": {"url": "https://h/mcp"}}', {"url": "https://h/mcp", "headers": {}}),
    (
        "mcp.json",
        '{"servers": {"a": {"type": "websocket", "url": "wss://h/ws", "headers": {"K": "${TOKEN}"}}}}',
        {"url": "wss://h/ws", "headers": {"K": "secret"}, "type": "ws"},
    ),
    ("mcp.json", '{"a": {"url": "ws://h/ws"}}', {"url": "ws://h/ws", "headers": {}}),
    (
        "config.toml",
        '[mcp_servers.a]\ncommand = "x"\nargs = ["${EMPTY:-d}"]\nenv = { A = "$TOKEN" }\nenabled = false',
        {"command": "x", "args": [""], "env": {"A": "$TOKEN"}},
    ),
    (
        "config.toml",
        (
            '[mcp_servers.a]\nurl = "https://h/mcp"\nbearer_token_env_var = "TOKEN"\n'
            'http_headers = { X = "1" }\nenv_http_headers = { Y = "TOKEN" }\nstartup_timeout_sec = 20'
        ),
        {"url": "https://h/mcp", "headers": {"X": "1", "Y": "secret", "Authorization": "Bearer secret"}},
    ),
    (
        "config.yaml",
        (
            "GOOSE_MODEL: x\nextensions:\n  dev: {type: builtin, name: dev}\n  a:\n    type: stdio\n"
            "    cmd: x\n    args: [-y]\n    envs: {A: b}\n    timeout: 300\n"
        ),
        {"command": "x", "args": ["-y"], "env": {"A": "b"}},
    ),
    (
        "config.yaml",
        "extensions:\n  a:\n    type: streamable_http\n    uri: https://h/mcp\n    headers: {A: b}\n",
        {"url": "https://h/mcp", "headers": {"A": "b"}, "type": "http"},
    ),
    (
        "mcp.json",
        '{"mcpServers": {"a": {"command": "x", "args": ["${NONE:-d}", "${env:TOKEN}", "$5 ${ not one }"]}}}',
        {"command": "x", "args": ["d", "secret", "$5 ${ not one }"], "env": {}},
    ),
    (
        ".gemini/settings.json",
        '{"mcpServers": {"a": {"command": "x", "env": {"K": "$TOKEN"}, "cwd": "/tmp"}}}',
        {"command": "x", "args": [], "env": {"K": "secret"}, "cwd": "/tmp"},
    ),
]


@pytest.mark.parametrize(("name", "text", "target"), READ)
def test_every_spelling_is_read(name: str, text: str, target: dict[str, Any], tmp_path: Path) -> None:
    assert targets(tmp_path, text, name) == {"a": target}


def test_the_workspace_is_the_folder_that_the_client_has_its_own_folder_in(tmp_path: Path) -> None:
    entry = '{"servers": {"a": {"command": "${workspaceFolder}/x", "cwd": "${userHome}"}}}'
    for name in (".vscode/mcp.json", "mcp.json"):
        target = targets(tmp_path, entry, name)["a"]
        assert target["command"] == f"{tmp_path}/x"
        assert target["cwd"] == str(Path.home())


def test_an_env_file_is_read_and_the_entry_itself_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nB='two $TOKEN'\n# no\nexport C=3\n")
    entry = '{"servers": {"a": {"command": "x", "envFile": "${workspaceFolder}/.env", "env": {"A": "mine"}}}}'
    assert targets(tmp_path, entry)["a"]["env"] == {"A": "mine", "B": "two $TOKEN", "C": "3"}


def test_the_variables_of_other_servers_do_not_matter_to_the_one_that_is_picked(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text('{"mcpServers": {"a": {"command": "${NONE}"}, "b": {"command": "x"}}}')
    assert choose(read_servers(path), "b").resolved(ENVIRONMENT).command == ("x",)


ONE = '{"mcpServers": {\n  "a": %s\n}}'
REFUSED = [
    ("", "line 1 is not JSON: a value was expected, not the end of the file"),
    ("{nope", "line 1 is not JSON: a name"),
    ('{"mcpServers":\n{"a": {"command": "x"}\n', "line 3 is not JSON: ',' or '}' was expected"),
    ('{"mcpServers": {}} {}', "line 1 is not JSON: nothing may follow"),
    ('{"a": NaN}', "is not JSON"),
    ('{"a": "\\q"}', "a string with a wrong escape"),
    ("{ /* ", "a comment has no end"),
    ("[" * 100_000, "nested too deeply"),
    ("[]", "has no servers; it needs a table"),
    ("{}", "has no servers"),
    ('{"mcpServers": {}}', "has no servers"),
    ('{"mcpServers": ["a"]}', "has no servers"),
    (
        '{"mcpServers": {"a": {"url": "x"},\n"b": {},\n"a": {"command": 1}}}',
        "line 3: the server 'a' is named twice",
    ),
    (
        '{"mcpServers": {"a": {"command": "x"}},\n"mcpServers": {"b": {"command": "x"}}}',
        "line 2: 'mcpServers' is there twice",
    ),
    (ONE % '{"command": "x", "command": "y"}', "line 2: the server 'a' has 'command' twice"),
    (ONE % '{"command": "x", "url": "http://h"}', "line 2: the server 'a' has both 'command' and 'url'"),
    (ONE % '{"args": []}', "line 2: the server 'a' has neither a command nor a url"),
    (ONE % '{"command": "x", "arg": []}', "unknown key 'arg'; did you mean 'args'?"),
    (ONE % '{"command": "x", "zzz": []}', "unknown key 'zzz'; take it out"),
    (ONE % '"x"', "line 2: the server 'a' is no table"),
    (ONE % '{"command": ""}', "command must be a text"),
    (ONE % '{"command": ["x"]}', "command must be a text"),
    (ONE % '{"command": "x", "args": "y"}', "args must be a list of texts"),
    (ONE % '{"command": "x", "env": {"A": {}}}', "env must be a table of texts"),
    (ONE % '{"url": "ftp://h"}', "is no URL"),
    (ONE % '{"url": "${env:TOKEN}"}', "'secret' is no URL"),
    (ONE % '{"url": "http://h/ws", "type": "ws"}', "the transport ws doesn't go with 'http://h/ws'"),
    (ONE % '{"url": "ws://h/ws", "type": "sse"}', "the transport sse doesn't go with 'ws://h/ws'"),
    (ONE % '{"url": "http://h", "type": "stdio"}', "says 'stdio', which doesn't go with 'url'"),
    (ONE % '{"command": "x", "type": "http"}', "says 'http', which doesn't go with 'command'"),
    (ONE % '{"url": "http://h", "type": "pigeon"}', "there is no type 'pigeon'"),
    (ONE % '{"url": "http://h", "oauth": {}}', "can't sign in by itself"),
    (ONE % '{"command": "${NONE}"}', "line 2: the server 'a': the environment variable NONE is not set; set"),
    (ONE % '{"command": "x", "env": {"A": "${env:NONE}"}}', "the environment variable NONE is not set"),
    (ONE % '{"url": "http://h", "headers": {"A": "Bearer ${NONE}"}}', "variable NONE is not set"),
    (ONE % '{"command": "x", "env": {"A": "${input:key}"}}', "only the client itself can fill in"),
    (ONE % '{"command": "x", "envFile": "/nowhere/.env"}', "there is no envFile"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_what_is_wrong_is_said_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        targets(tmp_path, text)
    assert message in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "mcp.json"))
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.toml", "[mcp_servers.a]\ncommand = 'x'\n[mcp_servers.a]\n", "line 3 is not TOML: Cannot declare"),
        ("c.toml", "[mcp_servers", "is not TOML"),
        ("c.yaml", "extensions:\n  a: {cmd: x\n", "is not YAML"),
        ("c.yaml", "extensions:\n  a: {cmd: x}\n  a: {cmd: y}\n", "line 3: the server 'a' is named twice"),
        ("c.yaml", "", "has no servers"),
    ],
)
def test_other_languages_are_refused_as_clearly(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        targets(tmp_path, text, name)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"mcpServers": {"\xe9": {}}}')
    for name, message in (("none.json", "there is no"), (".", "is a folder"), ("latin.json", "is not UTF-8")):
        with pytest.raises(UsageError, match=message):
            read_servers(tmp_path / name)


def test_a_server_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text('{"mcpServers": {"a": {"command": "x"}, "b": {"command": "x"}}}')
    with pytest.raises(UsageError, match="has no server 'c'; it has a, b"):
        choose(read_servers(path), "c")
