from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptap.codec import loads
from mcptap.matching.canonical import canonical, capabilities_of, essential, key_of
from mcptap.protocol import VOLATILE_META

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=6).filter(lambda name: name != "_meta"), values, max_size=5)
volatile_keys = st.sampled_from(sorted(VOLATILE_META)) | st.text(max_size=6).map(
    "io.modelcontextprotocol/{}".format
)


def shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        names = list(value)
        order.shuffle(names)
        return {name: shuffled(value[name], order) for name in names}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


def key(params: dict[str, Any] | None) -> bytes:
    return key_of("handshake", "tools/call", params)


# Laws


@given(objects, st.randoms())
def test_the_order_of_members_changes_nothing(params: dict[str, Any], order: random.Random) -> None:
    assert key(params) == key(shuffled(params, order))


@given(objects, st.dictionaries(volatile_keys, values, max_size=4))
def test_volatile_meta_changes_nothing(params: dict[str, Any], meta: dict[str, Any]) -> None:
    assert key(params) == key(params | {"_meta": meta})


@given(values, values)
def test_the_key_changes_exactly_with_the_value(one: Any, other: Any) -> None:
    same = canonical(one) == canonical(other)
    assert same == (key({"a": one}) == key({"a": other}))
    assert same == (key({"_meta": {"vendor/a": one}}) == key({"_meta": {"vendor/a": other}}))


def exact(value: Any) -> Any:
    """A number as it is written, to its last digit; a bool is none."""
    return Decimal(repr(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


@given(scalars, scalars)
def test_two_scalars_are_the_same_exactly_if_they_are_equal_and_no_bool_passes_for_a_number(
    one: Any, other: Any
) -> None:
    same = exact(one) == exact(other) and isinstance(one, bool) == isinstance(other, bool)
    assert (canonical(one) == canonical(other)) == same


@given(values)
def test_the_fast_and_the_exact_way_agree(value: Any) -> None:
    beside_a_float = canonical([value, 0.5])
    assert beside_a_float == b"[" + canonical(value) + b",5e-1]"


@given(values)
def test_canonical_json_is_json_and_its_own_canonical_form(value: Any) -> None:
    assert canonical(loads(canonical(value))) == canonical(value)


@given(st.integers())
def test_a_number_is_the_same_however_it_is_written(number: int) -> None:
    spellings = [f"{number}", f"{number}.0", f"{number}e0", f"{number}.0E+0", f"{number}.000e+0"]
    assert len({canonical(loads(text.encode())) for text in spellings}) == 1


# Numbers, one by one


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("100000", "1E5"),
        ("0", "-0"),
        ("0", "-0.0"),
        ("0", "0e99999999999999999999"),
        ("0.5", "5e-1"),
        ("9007199254740993", "9007199254740993.0"),
        ("100000000000000000000000", "1e23"),
        ("1e400", "10e399"),
    ],
)
def test_equal_numbers_are_the_same(one: str, other: str) -> None:
    assert canonical(loads(one.encode())) == canonical(loads(other.encode()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "true"),
        ("0", "false"),
        ("0", "null"),
        ("1", '"1"'),
        ("1", "-1"),
        ("9007199254740992", "9007199254740993"),
        ("9007199254740992.0", "9007199254740993.0"),
        ("18446744073709551616", "18446744073709551617"),
        ("1e400", "1e401"),
        ("1e400", "-1e400"),
        ("1e308", "1.0000000000000001e308"),
        ("1e-400", "1e-401"),
        ("1e-400", "0"),
        ("0.1", "0.10000000000000000001"),
    ],
)
def test_different_numbers_stay_different(one: str, other: str) -> None:
    assert canonical(loads(one.encode())) != canonical(loads(other.encode()))


@pytest.mark.parametrize("text", ["1e999999999999", "1e" + "9" * 5000, "-1e-999999999999"])
def test_an_absurd_exponent_costs_nothing(text: str) -> None:
    assert len(canonical(loads(text.encode()))) <= len(text)


def test_nesting_has_no_limit() -> None:
    deep: Any = 1.0
    for _ in range(100_000):
        deep = [{"a": deep}]
    assert canonical(deep).count(b"[") == 100_000


# Strings, one by one


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"\\ud800"', '"\\udbff"'),
        ('"\\ud800"', '"\\\\ud800"'),
        ('"é"', '"e\u0301"'),
        ('""', "null"),
        ('"1.5"', "1.5"),
    ],
)
def test_different_strings_stay_different(one: str, other: str) -> None:
    assert canonical(loads(one.encode())) != canonical(loads(other.encode()))


def test_an_escape_and_the_character_are_the_same() -> None:
    assert canonical(loads(rb'"\u00e9"')) == canonical(loads('"é"'.encode()))


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError):
        canonical({1: "a"})
    with pytest.raises(TypeError):
        canonical({"a": object()})


# Requests


def test_absent_params_are_empty_params() -> None:
    assert key(None) == key({}) == key({"_meta": {}}) == key({"_meta": {"progressToken": 7}})


def test_meta_of_the_clients_own_counts() -> None:
    assert key({"_meta": {"progressToken": 1, "vendor/trace": "x"}}) == key({"_meta": {"vendor/trace": "x"}})
    assert key({"_meta": {"vendor/trace": "x"}}) != key({"_meta": {"vendor/trace": "y"}})
    assert key({"_meta": "odd"}) != key({})


def test_volatile_names_below_the_top_are_data() -> None:
    assert key({"arguments": {"_meta": {"progressToken": 1}}}) != key({"arguments": {}})


def test_era_and_method_are_part_of_the_key() -> None:
    assert key_of("handshake", "tools/list", None) != key_of("modern", "tools/list", None)
    assert key_of("modern", "tools/list", None) != key_of("modern", "prompts/list", None)


def test_initialize_is_known_by_its_version_only() -> None:
    inspector = {"protocolVersion": "2025-11-25", "clientInfo": {"name": "inspector"}, "capabilities": {}}
    agent = {"protocolVersion": "2025-11-25", "clientInfo": {"name": "agent"}, "capabilities": {"roots": {}}}
    older = agent | {"protocolVersion": "2024-11-05"}
    initialize = "initialize"
    assert key_of("handshake", initialize, inspector) == key_of("handshake", initialize, agent)
    assert key_of("handshake", initialize, agent) != key_of("handshake", initialize, older)
    assert essential(initialize, None) == {}


def test_what_a_client_can_do_is_no_part_of_the_key_but_known_besides() -> None:
    def params(capabilities: Any) -> dict[str, Any]:
        return {"_meta": {"io.modelcontextprotocol/clientCapabilities": capabilities}}

    able, same, unable = params({"a": 1, "b": {}}), params({"b": {}, "a": 1.0}), params({})
    assert key(able) == key(unable) == key({})
    assert capabilities_of(able) == capabilities_of(same)
    assert len({capabilities_of(each) for each in (able, unable, {}, None)}) == 3
    assert len(capabilities_of(able)) == 8


def test_a_key_is_short() -> None:
    assert len(key({"text": "x" * 1_000_000})) == 16
