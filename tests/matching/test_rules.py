from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcptap.errors import UsageError
from mcptap.matching.canonical import canonical, essential, key_of
from mcptap.matching.rules import Matching, parse_matching

names = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.integers(0, 2) | st.sampled_from(["", "x", "X"]) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
params = st.dictionaries(names, values, max_size=3)
steps = st.sampled_from(
    [".a", ".b", "..c", "[*]", "[0]", "[-1]", "[1:]", "['a','b']", "[?@.a]", "[?@ == 1]", "[?@.b == $.a]"]
)
paths = st.lists(steps, max_size=3).map(lambda parts: "$" + "".join(parts))


def upper(method: str, asked: Any) -> Any:
    return canonical(asked).decode().upper()


def size(method: str, asked: Any) -> Any:
    return len(asked)


matchers = st.sampled_from([{}, {"upper": upper}, {"size": size}])


def same(matching: Matching, one: dict[str, Any], other: dict[str, Any]) -> bool:
    return matching.key_of("modern", "m", one) == matching.key_of("modern", "m", other)


# Laws


@given(params, params)
def test_without_rules_a_changed_request_never_matches(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert same(Matching(), one, other) == (canonical(one) == canonical(other))
    assert Matching().key_of("modern", "m", one) == key_of("modern", "m", one)


@given(params, params, st.lists(paths, max_size=3), paths)
def test_ignoring_more_only_ever_widens(
    one: dict[str, Any], other: dict[str, Any], ignored: list[str], more: str
) -> None:
    assume(same(Matching(ignored), one, other))
    assert same(Matching([*ignored, more]), one, other)


@given(params, params, st.lists(paths, max_size=2), matchers)
def test_a_matcher_only_ever_widens(
    one: dict[str, Any], other: dict[str, Any], ignored: list[str], own: dict[str, Any]
) -> None:
    assume(same(Matching(ignored), one, other))
    assert same(Matching(ignored, own), one, other)


@given(params, values, values, paths)
def test_what_is_not_ignored_must_be_the_same(
    around: dict[str, Any], one: Any, other: Any, path: str
) -> None:
    assume(canonical(one) != canonical(other))
    # No path of the strategy leads to this member but those that take every member.
    left, right = ({**around, "other": {"z": value}} for value in (one, other))
    ignored = Matching([path]).essence("m", left)
    assume("other" in ignored and ignored["other"] == {"z": one})
    assume("other" in (rest := Matching([path]).essence("m", right)) and rest["other"] == {"z": other})
    assert not same(Matching([path]), left, right)


@given(params, st.lists(paths, max_size=3))
def test_other_methods_and_eras_never_match(asked: dict[str, Any], ignored: list[str]) -> None:
    key = Matching(["$", *ignored]).key_of
    keys = [key("modern", "m", asked), key("handshake", "m", asked), key("modern", "n", asked)]
    assert len(set(keys)) == 3


@given(params, paths)
def test_what_is_asked_is_left_as_it_is(asked: dict[str, Any], path: str) -> None:
    before = canonical(asked)
    Matching([path]).essence("m", asked)
    assert canonical(asked) == before


# What is left out


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("$.arguments.at", {"name": "f", "arguments": {"rows": [{"id": 1, "v": 2}, {"id": 3, "v": 4}]}}),
        ("$..id", {"name": "f", "arguments": {"at": 5, "rows": [{"v": 2}, {"v": 4}]}}),
        ("$.arguments.rows[0]", {"name": "f", "arguments": {"at": 5, "rows": [{"id": 3, "v": 4}]}}),
        ("$.arguments.rows[?@.id > 1]", {"name": "f", "arguments": {"at": 5, "rows": [{"id": 1, "v": 2}]}}),
        ("$.arguments['rows','at']", {"name": "f", "arguments": {}}),
        ("$", {}),
        ("$.none", {"name": "f", "arguments": {"at": 5, "rows": [{"id": 1, "v": 2}, {"id": 3, "v": 4}]}}),
    ],
)
def test_what_a_path_names_is_left_out(path: str, left: Any) -> None:
    rows = [{"id": 1, "v": 2}, {"id": 3, "v": 4}]
    asked = {"name": "f", "arguments": {"at": 5, "rows": rows}, "_meta": {"progressToken": 1}}
    assert Matching([path]).essence("tools/call", asked) == left


def test_one_path_and_one_matcher_need_no_list() -> None:
    matching = parse_matching("$.a", size)
    assert matching.essence("m", {"a": 1, "b": 2}) == 1
    assert not matching.sequence
    assert parse_matching((), "sequence").sequence


# Matchers


def test_a_matcher_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_matchers.py").write_text("def by_size(method, params):\n    return [len(params)]\n")
    monkeypatch.chdir(tmp_path)
    matching = parse_matching((), ["sequence", "my_own_matchers:by_size"])
    assert matching.essence("m", {"a": 1}) == [1]
    assert matching.sequence


def test_a_matcher_can_spoil_nothing() -> None:
    def clears(method: str, asked: Any) -> Any:
        asked["arguments"].clear()
        return asked

    asked = {"arguments": {"a": 1}}
    assert Matching((), {"clears": clears}).essence("m", asked) == {"arguments": {}}
    assert asked == {"arguments": {"a": 1}}


def fails(method: str, asked: Any) -> Any:
    return asked["city"]


def no_json(method: str, asked: Any) -> Any:
    return {1, 2}


@pytest.mark.parametrize(("matcher", "why"), [(fails, "KeyError: 'city'"), (no_json, "TypeError: ")])
def test_a_matcher_that_fails_is_named(matcher: Any, why: str) -> None:
    matching = parse_matching((), matcher)
    with pytest.raises(UsageError, match=rf"the matcher {matcher.__name__} failed on tools/list: {why}"):
        matching.key_of("modern", "tools/list", None)


@pytest.mark.parametrize(
    ("ignore", "match", "says"),
    [
        ("arguments.at", (), "--ignore arguments.at is no JSONPath"),
        ("$.a[", (), "is no JSONPath"),
        ((), "sequenz", "no way to match by 'sequenz'"),
        ((), "mcptap.nothing:here", "can't be loaded: ModuleNotFoundError"),
        ((), "mcptap.errors:nothing", "can't be loaded: AttributeError"),
        ((), "mcptap.protocol:MISS", "is no function, but of type int"),
        ((), ":f", "no way to match by ':f'"),
        ((), [7], "7 is no matcher"),
    ],
)
def test_what_is_no_rule_is_one_line(ignore: Any, match: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_matching(ignore, match)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_meta_is_none() -> None:
    asked = {"a": 1, "_meta": {"progressToken": 7, "own": 1}}
    assert Matching(["$._meta.own"]).essence("m", asked) == essential("m", {"a": 1})
