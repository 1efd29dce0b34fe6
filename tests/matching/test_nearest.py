from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcptap.matching.canonical import canonical
from mcptap.matching.nearest import ABSENT, MOST_CANDIDATES, Difference, difference, nearest

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=3), values, max_size=4)


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def nearest_call(live: dict[str, Any], *recorded: dict[str, Any]) -> dict[str, Any]:
    found = nearest("tools/call", live, ((params, params) for params in recorded))
    assert found is not None
    return found[0]


# Differences


def test_a_changed_field_has_its_path_and_both_values() -> None:
    recorded, live = call("weather", city="Berlin", days=3), call("weather", city="Munich", days=3)
    assert difference(recorded, live) == (Difference("$.arguments.city", "Berlin", "Munich"),)


def test_a_field_of_one_side_only_is_absent_on_the_other() -> None:
    assert difference({"a": None}, {"b": 1}) == (
        Difference("$.a", None, ABSENT),
        Difference("$.b", ABSENT, 1),
    )
    assert difference({"a": None}, None)[0].as_json() == {"path": "$.a", "recorded": None}


def test_list_elements_are_compared_by_position() -> None:
    assert difference({"a": [1, 2]}, {"a": [1, 3, 4]}) == (
        Difference("$.a[1]", 2, 3),
        Difference("$.a[2]", ABSENT, 4),
    )


def test_odd_names_are_quoted_in_the_path() -> None:
    (found,) = difference({"it's": {"a.b": 1}}, {"it's": {"a.b": 2}})
    assert found.path == r"$['it\'s']['a.b']"


def test_values_are_compared_as_the_key_compares_them() -> None:
    assert difference({"a": 1, "b": [1.0]}, {"b": [1], "a": 1.0}) == ()
    assert difference({"a": 1}, {"a": True}) == (Difference("$.a", 1, True),)
    assert difference({"a": {}}, {"a": []}) == (Difference("$.a", {}, []),)


@given(objects, objects)
def test_there_is_a_difference_exactly_where_the_canonical_texts_differ(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert bool(difference(one, other)) == (canonical(one) != canonical(other))


def test_differences_are_limited_in_number_and_nesting_is_not() -> None:
    assert len(difference({"a": list(range(1000))}, {"a": list(range(1, 1001))})) == 50
    deep, deeper = {"a": 1}, {"a": 2}
    for _ in range(3000):
        deep, deeper = {"a": deep}, {"a": deeper}  # type: ignore[dict-item]
    assert len(difference(deep, deeper)) == 1


# The nearest


def test_the_one_with_the_fewest_differences_is_nearest() -> None:
    live = call("weather", city="Bonn", days=3, units="metric")
    far = call("weather", city="Oslo", days=1, units="imperial")
    near = call("weather", city="Oslo", days=3, units="metric")
    assert nearest_call(live, far, near) == near


def test_a_similar_string_is_nearer_than_another_one() -> None:
    live = call("read", path="/home/ann/project/main.py")
    near = call("read", path="/home/bob/project/main.py")
    assert nearest_call(live, call("read", path="https://example.org"), near) == near


def test_another_value_of_the_same_tool_is_nearer_than_another_tool() -> None:
    live = call("weather", city="Bonn", days=3)
    near = call("weather", city="Oslo", days=1, units="metric")
    assert nearest_call(live, call("forecast", city="Bonn", days=3), near) == near


def test_of_two_equally_near_the_first_is_taken() -> None:
    assert nearest_call(call("add", a=1), call("add", a=2), call("add", a=3)) == call("add", a=2)


def test_volatile_meta_makes_nothing_farther() -> None:
    near = call("add", a=2) | {"_meta": {"progressToken": 1, "traceparent": "00-…"}}
    live = call("add", a=1) | {"_meta": {"progressToken": 9}}
    assert nearest_call(live, call("add", a=2, b=1), near) == near


def test_nothing_is_nearest_to_nothing() -> None:
    assert nearest("tools/call", {"name": "add"}, []) is None


def test_no_more_candidates_are_taken_than_needed() -> None:
    taken = []

    def candidates() -> Iterator[tuple[int, dict[str, Any]]]:
        for number in range(10_000):
            taken.append(number)
            yield number, call("add", a=number)

    nearest("tools/call", call("add", a=-1), candidates())
    assert len(taken) == MOST_CANDIDATES


def test_huge_candidates_are_not_compared_to_their_ends() -> None:
    huge = call("put", rows=[{"x": number} for number in range(200_000)], text="y" * 1_000_000)
    found = nearest("tools/call", call("put", rows=[], text="z"), [(1, huge)] * MOST_CANDIDATES)
    assert found is not None


# For people


def test_large_values_are_shortened_in_json_too() -> None:
    large = {"rows": [0] * 1000, "text": "x" * 10_000, "more": {str(n): n for n in range(100)}}
    shown = difference({}, {"a": large})[0].as_json()["live"]
    assert shown["rows"][-1] == "… 950 more"
    assert shown["text"] == "x" * 500 + "…"
    assert shown["more"]["…"] == "50 more"
