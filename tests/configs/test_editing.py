"""One entry is changed, and every other character stays; and back again, byte for byte."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mcptap.clients import editing, jsonc, wrapping
from mcptap.clients.document import parse
from mcptap.clients.node import SyntaxFault
from mcptap.clients.places import Place
from mcptap.errors import UsageError
from tests.cassette.samples import unhurried
from tests.configs.samples import VALUES, configurations, spelled

MCPTAP = ["/opt/bin/mcptap"]
JSON = Path("mcp.json")
YAML = Path("config.yaml")


def place_of(path: Path, text: str, name: str) -> Place:
    document = parse(path, text)
    pointer, table = next(document.tables())
    node = table.member(name)
    assert node is not None
    return Place(document, (*pointer, name), node)


def wrap(path: Path, text: str, name: str) -> str:
    place = place_of(path, text, name)
    value = wrapping.wrapped(place.node.value, name, MCPTAP, "/rec", "here")
    return editing.replace(place, editing.spell(place, value, (place,)), value)


def unwrap(path: Path, text: str, original: str, name: str) -> str:
    place, before = place_of(path, text, name), place_of(path, original, name)
    value = wrapping.unwrapped(place.node.value, before.node.value, name, "here")
    if value == before.node.value:
        spelling = original[before.node.start : before.node.end]
    else:
        spelling = editing.spell(place, value, (place, before))
    return editing.replace(place, spelling, value)


@given(VALUES.flatmap(lambda value: st.tuples(st.just(value), spelled(value))))
@unhurried
def test_json_with_comments_says_what_it_says(value_and_text: tuple[Any, str]) -> None:
    value, text = value_and_text
    assert json.dumps(jsonc.parse(text).value) == json.dumps(value)


@given(VALUES)
@unhurried
def test_plain_json_is_read_as_the_standard_library_reads_it(value: Any) -> None:
    text = json.dumps(value, indent=1)
    node = jsonc.parse(text)
    assert json.dumps(node.value) == json.dumps(json.loads(text))
    assert (node.start, node.end) == (0, len(text))


@given(st.text(alphabet='{}[]",:/* \n1e-truefalsn\\u0', max_size=30))
@unhurried
def test_nothing_but_a_fault_comes_of_what_is_no_json_and_none_of_what_is(text: str) -> None:
    try:
        json.loads(text, parse_constant=int)
    except ValueError:
        with contextlib.suppress(SyntaxFault):  # comments and trailing commas are fine
            jsonc.parse(text)
    else:
        jsonc.parse(text)


@given(configurations())
@unhurried
def test_wrapping_keeps_every_other_character_and_unwrapping_brings_all_back(sample: tuple[str, str]) -> None:
    text, name = sample
    before = place_of(JSON, text, name)
    edited = wrap(JSON, text, name)
    after = place_of(JSON, edited, name)
    assert wrapping.is_tapped(after.node.value)
    assert edited[: after.node.start] == text[: before.node.start]
    assert edited[after.node.end :] == text[before.node.end :]
    assert unwrap(JSON, edited, text, name) == text


@given(configurations(), st.text(max_size=6))
@unhurried
def test_what_the_user_changed_in_between_stays(sample: tuple[str, str], said: str) -> None:
    text, name = sample
    edited = wrap(JSON, text, name)
    place = place_of(JSON, edited, name)
    changed = {**place.node.value, "description": said}
    edited = editing.replace(place, editing.spell(place, changed, (place,)), changed)
    restored = place_of(JSON, unwrap(JSON, edited, text, name), name)
    before = place_of(JSON, text, name)
    assert restored.node.value == {**before.node.value, "description": said}
    assert restored.document.text[: restored.node.start] == text[: before.node.start]
    assert restored.document.text[restored.node.end :] == text[before.node.end :]


def test_many_entries_are_unwrapped_in_any_order() -> None:
    text = (
        '{"servers": {"a": {"command": "x"},\n  "b": {\n    "url": "http://h"\n  }, "c": {"command": "y"}}}'
    )
    steps = [text]
    for name in "abc":
        steps.append(wrap(JSON, steps[-1], name))
    edited = steps[-1]
    for name in "bac":
        edited = unwrap(JSON, edited, steps["abc".index(name)], name)
    assert edited == text


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_an_entry_is_written_as_its_surroundings_are(line_end: str) -> None:
    text = '{\n\t"mcpServers": {\n\t\t"a": {\n\t\t\t"command": "x"\n\t\t}\n\t}\n}\n'.replace("\n", line_end)
    lines = wrap(JSON, text, "a").split(line_end)
    assert lines[2:4] == ['\t\t"a": {', '\t\t\t"command": "/opt/bin/mcptap",']
    assert lines[4] == '\t\t\t"args": ["record", "--name", "a", "-o", "/rec", "--", "x"]'
    assert lines[5:] == ["\t\t}", "\t}", "}", ""]
    long = wrap(JSON, text.replace('"x"', f'"{"x" * 80}"'), "a").split(line_end)
    assert long[4:6] == ['\t\t\t"args": [', '\t\t\t\t"record",']
    assert long[-5:-3] == ["\t\t\t]", "\t\t}"]


GOOSE = """\
# mine
GOOSE_MODEL: x   # a model
extensions:
  block:
    args:
    - -y
    # about the command
    cmd: npx
    enabled: true
    env_keys: [TOKEN]
    type: stdio
  # about flow
  flow: {type: streamable_http, uri: 'https://h/mcp', headers: {Authorization: Bearer x}}  # kept
  text:
    cmd: sh
    args: &args
      - -c
      - |
        read line
        echo

  shared:
    <<: &base {type: stdio, enabled: true}
    cmd: y
    args: *args

  last:
    type: sse
    uri: https://h/sse
# the end
"""


@pytest.mark.parametrize("name", ["block", "flow", "shared", "last"])
def test_yaml_keeps_every_other_character_and_comes_back(name: str) -> None:
    before = place_of(YAML, GOOSE, name)
    edited = wrap(YAML, GOOSE, name)
    after = place_of(YAML, edited, name)
    assert wrapping.is_tapped(after.node.value)
    assert edited[: after.node.start] == GOOSE[: before.node.start]
    assert edited[after.node.end :] == GOOSE[before.node.end :]
    old, new = (yaml.safe_load(text)["extensions"] for text in (GOOSE, edited))
    assert {**old, name: None} == {**new, name: None}
    assert unwrap(YAML, edited, GOOSE, name) == GOOSE


def test_an_entry_that_others_refer_to_is_refused() -> None:
    with pytest.raises(UsageError, match="line 15: 'text' can't be changed without others"):
        wrap(YAML, GOOSE, "text")
    with pytest.raises(UsageError, match="no text of its own"):
        wrap(YAML, "extensions:\n  a: &a {cmd: x, type: stdio}\n  b: *a\n", "b")


@pytest.mark.parametrize("name", ["block", "last"])
def test_goose_gets_goose_keys(name: str) -> None:
    entry = yaml.safe_load(wrap(YAML, GOOSE, name))["extensions"][name]
    assert entry["cmd"] == MCPTAP[0]
    assert entry["type"] == "stdio"
    assert not {"command", "uri", "url", "headers"} & entry.keys()


def test_a_secret_stands_in_the_environment_and_nowhere_else() -> None:
    entry = {
        "httpUrl": "https://me:sesame@h/mcp?key=sesame",
        "headers": {"Authorization": "Bearer sesame", "X-a": "sesame", "X_a": "sesame"},
        "env": {"A": "b"},
    }
    made = wrapping.wrapped(entry, "a", MCPTAP, "/rec", "here")
    assert "sesame" not in json.dumps([made["command"], made["args"]])
    assert made["env"] == {
        "A": "b",
        "MCPTAP_URL": "https://me:sesame@h/mcp?key=sesame",
        "MCPTAP_HEADER_AUTHORIZATION": "Bearer sesame",
        "MCPTAP_HEADER_X_A": "sesame",
        "MCPTAP_HEADER_X_A_2": "sesame",
    }
    assert made.keys() == {"command", "args", "env"}


def test_a_diff_shows_no_secret() -> None:
    text = json.dumps(
        {"mcpServers": {
            "a": {"url": "https://h/?k=sesame", "headers": {"A": "sesame"}},
            "b": {"command": "x", "env": {"K": "sesame"}},
        }},
        indent=2,
    )  # fmt: skip
    for name in "ab":
        place = place_of(JSON, text, name)
        shown = "".join(editing.difference(place.document, wrap(JSON, text, name)))
        assert "sesame" not in shown
        assert '+      "command": "/opt/bin/mcptap"' in shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"command": "/elsewhere/mcptap", "args": ["record"]}, "not as mcptap wrote it"),
        ({"args": ["record", "--name", "a", "-o", "/rec", "--", "x", "--more"]}, "'args' was changed"),
    ],
)
def test_what_cannot_be_undone_is_refused(change: dict[str, Any], message: str) -> None:
    original = {"command": "x"}
    current = {**wrapping.wrapped(original, "a", MCPTAP, "/rec", "here"), **change}
    with pytest.raises(UsageError, match=message):
        wrapping.unwrapped(current, original, "a", "here")
