"""Schema changes: what is called no break must be none, by the judgement of a validator."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mcptap.comparing.schemas import Effect, schema_changes

NARROWER, WIDER, OTHER, LOST, NONE = Effect.NARROWER, Effect.WIDER, Effect.OTHER, Effect.LOST, Effect.NONE
STRING, INTEGER, NUMBER, NULL = ({"type": name} for name in ("string", "integer", "number", "null"))

CHANGES: list[tuple[Any, Any, set[Effect]]] = [
    (STRING, STRING, set()),
    (True, {}, set()),
    (INTEGER, NUMBER, {WIDER}),
    (NUMBER, INTEGER, {NARROWER}),
    (STRING, INTEGER, {OTHER}),
    (STRING, {}, {WIDER}),
    ({}, STRING, {NARROWER}),
    (STRING, {"type": ["string", "null"]}, {WIDER}),
    ({"type": ["string", "null"]}, {"anyOf": [NULL, STRING]}, set()),
    (STRING, {"anyOf": [STRING, NULL]}, {WIDER}),
    ({"anyOf": [STRING, NULL], "title": "T"}, STRING, {NARROWER}),
    ({"oneOf": [STRING, INTEGER]}, {"oneOf": [STRING, NUMBER]}, {WIDER}),
    ({"anyOf": [STRING, INTEGER, NULL]}, {"anyOf": [{"minLength": 1, **STRING}, INTEGER]}, {NARROWER}),
    ({"anyOf": [STRING], "minLength": 2}, {**STRING, "minLength": 2}, {NARROWER, WIDER}),
    ({"enum": ["a", "b"]}, {"enum": ["b", "a"]}, set()),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}, {WIDER}),
    ({"enum": ["a", "b"]}, {"const": "a"}, {NARROWER}),
    ({"const": 1}, {"const": 1.0}, set()),
    ({"const": 1}, {"const": True}, {OTHER}),
    ({"minimum": 1}, {"minimum": 2}, {NARROWER}),
    ({"maxLength": 1}, {"maxLength": 2}, {WIDER}),
    ({"maxItems": 3}, {}, {WIDER}),
    ({}, {"exclusiveMaximum": 3}, {NARROWER}),
    ({"pattern": "a"}, {"pattern": "b"}, {OTHER}),
    ({"uniqueItems": False}, {}, set()),
    ({}, {"uniqueItems": True}, {NARROWER}),
    ({"required": ["a"]}, {"required": ["a", "b"]}, {NARROWER}),
    ({"required": ["a"]}, {"required": ["b"]}, {NARROWER, WIDER}),
    ({"properties": {"a": {}}}, {"properties": {}}, {LOST}),
    ({"properties": {"a": {}}}, {"properties": {"a": {}, "b": {}}}, {NONE}),
    ({"properties": {"a": NUMBER}}, {"properties": {"a": INTEGER}}, {NARROWER}),
    ({"additionalProperties": False}, {}, {WIDER}),
    ({}, {"additionalProperties": STRING}, {NARROWER}),
    ({"items": STRING}, {"items": {"type": ["string", "null"]}}, {WIDER}),
    ({"items": INTEGER}, {"items": INTEGER, "prefixItems": [STRING]}, {OTHER}),
    ({"patternProperties": {"^a": {}}}, {"patternProperties": {"^a": STRING}}, {NARROWER}),
    ({"description": "a"}, {"description": "b"}, {NONE}),
    ({"x-mcp-header": "A"}, {"x-mcp-header": "B"}, {NONE}),
    ({"if": {}, "then": {}}, {"if": {}, "then": STRING}, {OTHER}),
    (
        {"$ref": "#/$defs/a", "$defs": {"a": INTEGER}},
        {"$ref": "#/$defs/b", "$defs": {"b": NUMBER}},
        {WIDER},
    ),
    ({"$ref": "https://example.com/a"}, {"$ref": "https://example.com/b"}, {OTHER}),
    ({"$ref": "#"}, {"$ref": "#", "title": "round"}, {OTHER}),
    (
        {"properties": {"next": {"$ref": "#"}, "a": INTEGER}},
        {"properties": {"next": {"$ref": "#"}, "a": NUMBER}},
        {WIDER},
    ),
    ("no schema", 7, {OTHER}),
]


@pytest.mark.parametrize(("recorded", "live", "effects"), CHANGES)
def test_the_effect_of_a_change(recorded: Any, live: Any, effects: set[Effect]) -> None:
    assert {change.effect for change in schema_changes(recorded, live)} == effects


def test_a_change_says_where_it_is() -> None:
    before = {"properties": {"a b": {"items": [{"enum": [1]}]}}}
    (change,) = schema_changes(
        before, {"properties": {"a b": {"items": [{"enum": [1, 2]}]}}}, "$.inputSchema"
    )
    assert change.path == "$.inputSchema.properties['a b'].items[0].enum"
    assert (change.recorded, change.live) == ([1], [1, 2])


def test_a_schema_that_is_nested_too_deeply_is_not_looked_into_for_ever() -> None:
    deep: list[Any] = [{"type": "string"}, {"type": "null"}]
    for _ in range(500):
        deep = [{"items": each} for each in deep]
    assert {change.effect for change in schema_changes(*deep)} == {OTHER}


def test_cases_within_cases_are_not_looked_into_for_ever() -> None:
    wide: list[Any] = [{"type": "string"}, {"type": "null"}]
    for number in range(4):
        wide = [{"anyOf": [{"minLength": number + n, "items": each} for n in range(6)]} for each in wide]
    assert OTHER in {change.effect for change in schema_changes(*wide)}


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0]), st.text("ab", max_size=3)
)
NAMES = st.sampled_from(["a", "b", "c"])


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, max_size=3)},
        optional={"required": st.lists(NAMES, max_size=2, unique=True)},
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.booleans(),
        st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(
                    ["string", "integer", "number", "null", "boolean", ["string", "null"]]
                ),
                "enum": st.lists(SCALARS, min_size=1, max_size=3),
                "minimum": st.integers(-2, 2),
                "maxLength": st.integers(0, 3),
                "const": SCALARS,
                "title": st.sampled_from("xy"),
            },
        ),
    ),
    lambda inner: st.one_of(
        _objects(inner),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 2)}
        ),
        st.fixed_dictionaries(
            {"prefixItems": st.lists(inner, min_size=1, max_size=2)}, optional={"items": inner}
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)}),
    ),
    max_leaves=6,
)
INSTANCES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)


@given(SCHEMAS, SCHEMAS, INSTANCES)
def test_what_is_not_called_narrower_takes_all_that_was_taken(
    recorded: Any, live: Any, instance: Any
) -> None:
    _holds(recorded, live, instance, {NARROWER, OTHER, LOST})


@given(SCHEMAS, SCHEMAS, INSTANCES)
def test_what_is_not_called_wider_gives_nothing_that_was_not_given(
    recorded: Any, live: Any, instance: Any
) -> None:
    _holds(live, recorded, instance, {WIDER, OTHER, LOST}, turned=True)


def _holds(taken: Any, taking: Any, instance: Any, breaking: set[Effect], *, turned: bool = False) -> None:
    """What the one schema takes, the other does, too, if no change breaks; a new property was never sent."""
    changes = schema_changes(taking, taken) if turned else schema_changes(taken, taking)
    gained = any(change.text == "a new property" for change in changes)
    fine = breaking.isdisjoint({change.effect for change in changes}) and not gained
    if fine and Draft202012Validator(taken).is_valid(instance):
        assert Draft202012Validator(taking).is_valid(instance), (taken, taking, instance)
