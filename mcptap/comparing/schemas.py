"""Whether a changed JSON Schema allows more than before, less, or both.

Source: JSON Schema 2020-12 (and draft 7 where it differs), Core and Validation. Where the effect of a
change can't be told, it is `Effect.OTHER`, which breaks whoever relies on the schema, whichever way round.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mcptap.comparing.unions import (
    ANNOTATIONS,
    DEFINITIONS,
    alternatives,
    is_only_union,
    union_of,
    without_union,
)
from mcptap.matching.canonical import canonical
from mcptap.matching.nearest import ABSENT, location

_DEEPEST: Final = 60
_MOST_STEPS: Final = 20_000
_MOST_PAIRS: Final = 400
_LOWER: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_UPPER: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_OPEN: Final = frozenset({"additionalProperties", "additionalItems", "items"})
_ALL_OR_NOTHING: Final = frozenset(
    {
        "pattern", "format", "multipleOf", "uniqueItems", "not", "contains", "propertyNames",
        "dependentRequired", "dependentSchemas", "dependencies",
    }
)  # fmt: skip
_TANGLED: Final = frozenset(
    {
        "$dynamicRef", "else", "if", "maxContains", "minContains", "then", "unevaluatedItems",
        "unevaluatedProperties",
    }
)  # fmt: skip
"""Keywords whose effect depends on those beside them."""
_WHOLE: Final = frozenset({"number", "integer"})
_FORBIDS_NOTHING: Final[Mapping[str, tuple[Any, ...]]] = {
    "uniqueItems": (False,),
    "propertyNames": (True, {}),
}


class Effect(enum.Enum):
    """What a change does to the set of values that a schema allows."""

    NONE = "none"
    NARROWER = "narrower"
    WIDER = "wider"
    OTHER = "other"
    LOST = "lost"
    """A property is not there any more: who sends it isn't understood, and who reads it doesn't find it."""


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One change: its JSONPath, what it does, what it is in a few words, and both values (or `ABSENT`)."""

    path: str
    effect: Effect
    text: str
    recorded: Any
    live: Any


_Changes: TypeAlias = Iterator[SchemaChange]
_Refs: TypeAlias = frozenset[tuple[str, str]]


def schema_changes(recorded: Any, live: Any, path: str = "$") -> list[SchemaChange]:
    """Every change of a schema.

    Args:
        recorded: The recorded schema.
        live: The live schema.
        path: Where the schema stands.
    """
    if canonical(recorded) == canonical(live):
        return []
    return list(_Comparison(recorded, live).changes(recorded, live, path))


class _Comparison:
    """Compares two whole schemas; what they refer to is looked up in each of them."""

    def __init__(self, recorded: Any, live: Any) -> None:
        self._roots = recorded, live
        self._steps = 0

    def changes(
        self, recorded: Any, live: Any, path: str, refs: _Refs = frozenset(), depth: int = 0
    ) -> _Changes:
        """The changes between two schemas that stand at the same place."""
        self._steps += 1
        recorded, live = ({} if each is True else each for each in (recorded, live))
        if not isinstance(recorded, Mapping) or not isinstance(live, Mapping):
            which = recorded is False, live is False
            effect = {(True, False): Effect.WIDER, (False, True): Effect.NARROWER}.get(which, Effect.OTHER)
            yield from _whole_change(path, effect, "what is allowed at all", recorded, live)
            return
        pair = str(recorded.get("$ref")), str(live.get("$ref"))
        if pair in refs:
            return
        if "$ref" in recorded or "$ref" in live:
            refs |= {pair}
        old, new = self._resolved(recorded, 0), self._resolved(live, 1)
        if old is None or new is None:
            yield from _whole_change(path, Effect.OTHER, "what is referred to", recorded, live)
        elif depth > _DEEPEST or self._steps > _MOST_STEPS:
            yield from _whole_change(path, Effect.OTHER, "a part too deep to be looked at", recorded, live)
        else:
            yield from self._united(old, new, path, refs, depth + 1)

    def _resolved(self, schema: Mapping[str, Any], side: int) -> Mapping[str, Any] | None:
        """A schema with what it refers to in its place; ``None`` for what isn't in the same document."""
        for _ in range(_DEEPEST):
            ref = schema.get("$ref")
            if ref is None:
                return schema
            target = _pointed(self._roots[side], ref)
            if not isinstance(target, Mapping):
                return None
            schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
        return None

    def _united(
        self, recorded: Mapping[str, Any], live: Mapping[str, Any], path: str, refs: _Refs, depth: int
    ) -> _Changes:
        """Compare the alternatives, and what holds for all of them."""
        left, right = union_of(recorded), union_of(live)
        if left is None and right is None:
            yield from self._keywords(recorded, live, path, refs, depth)
        elif left is not None and right is not None:
            yield from self._keywords(
                without_union(recorded, left), without_union(live, right), path, refs, depth
            )
            yield from self._cases(recorded[left], live[right], location([left], path), refs, depth)
        elif left is not None and is_only_union(recorded, left):
            yield from self._cases(recorded[left], alternatives(live), path, refs, depth)
        elif right is not None and is_only_union(live, right):
            yield from self._cases(alternatives(recorded), live[right], path, refs, depth)
        else:
            keyword = left or right or ""
            rest = without_union(recorded, keyword), without_union(live, keyword)
            yield from self._keywords(*rest, path, refs, depth)
            yield from _presence(keyword, recorded, live, path)

    def _cases(self, recorded: list[Any], live: list[Any], path: str, refs: _Refs, depth: int) -> _Changes:
        if len(recorded) * len(live) > _MOST_PAIRS:
            yield from _whole_change(path, Effect.OTHER, "its cases", recorded, live)
            return
        effects = [[_effects(self.changes(old, new, path, refs, depth)) for new in live] for old in recorded]
        same = [{place for place, each in enumerate(row) if each <= {Effect.NONE}} for row in effects]
        left = [old for old, found in enumerate(same) if not found]
        right = [new for new in range(len(live)) if not any(new in found for found in same)]
        if len(left) == len(right) == 1:
            yield from self.changes(recorded[left[0]], live[right[0]], location([left[0]], path), refs, depth)
            return
        for old, found in enumerate(same):
            if found:
                said = min(found, key=lambda new: len(effects[old][new]))
                yield from self.changes(recorded[old], live[said], location([old], path), refs, depth)
        wider, narrower = {Effect.NONE, Effect.WIDER}, {Effect.NONE, Effect.NARROWER}
        loses = any(not any(each <= wider for each in effects[old]) for old in left)
        gains = any(not any(row[new] <= narrower for row in effects) for new in right)
        if left or right:
            effect = _effect(narrower=loses, wider=gains)
            old_cases, new_cases = [recorded[old] for old in left], [live[new] for new in right]
            yield _change(path, effect, "its cases", old_cases or ABSENT, new_cases or ABSENT)

    def _keywords(
        self, recorded: Mapping[str, Any], live: Mapping[str, Any], path: str, refs: _Refs, depth: int
    ) -> _Changes:
        for name in dict.fromkeys((*recorded, *live)):
            old, new = recorded.get(name, ABSENT), live.get(name, ABSENT)
            at = location([name], path)
            if name in DEFINITIONS or name == "const":
                continue
            if name == "properties":
                yield from self._properties(old, new, at, refs, depth)
            elif name in ("prefixItems", "allOf") or (name == "items" and _is_list(old, new)):
                rest = {"prefixItems": "items", "items": "additionalItems"}.get(name, "")
                fill = recorded.get(rest, True), live.get(rest, True)
                yield from self._positions(old, new, fill, at, refs, depth)
            elif name == "patternProperties":
                yield from self._patterns(old, new, at, refs, depth)
            elif name in _OPEN:
                old, new = (True if each is ABSENT else each for each in (old, new))
                yield from self.changes(old, new, at, refs, depth)
            else:
                yield from _keyword(name, recorded, live, path)
        if "const" in recorded or "const" in live:
            yield from _keyword("const", recorded, live, path)

    def _properties(self, old: Any, new: Any, path: str, refs: _Refs, depth: int) -> _Changes:
        old, new = (each if isinstance(each, Mapping) else {} for each in (old, new))
        for name in dict.fromkeys((*old, *new)):
            at = location([name], path)
            if name not in new:
                yield _change(at, Effect.LOST, "the property is gone", old[name], ABSENT)
            elif name not in old:
                yield _change(at, Effect.NONE, "a new property", ABSENT, new[name])
            else:
                yield from self.changes(old[name], new[name], at, refs, depth)

    def _patterns(self, old: Any, new: Any, path: str, refs: _Refs, depth: int) -> _Changes:
        old, new = (each if isinstance(each, Mapping) else {} for each in (old, new))
        for name in dict.fromkeys((*old, *new)):
            yield from self.changes(
                old.get(name, True), new.get(name, True), location([name], path), refs, depth
            )

    def _positions(
        self, old: Any, new: Any, fill: tuple[Any, Any], path: str, refs: _Refs, depth: int
    ) -> _Changes:
        """Compare two lists of schemas; ``fill`` is what holds behind the end of each."""
        old, new = ([] if each is ABSENT else each for each in (old, new))
        if not isinstance(old, list) or not isinstance(new, list):
            yield _change(path, Effect.OTHER, "its items", old, new)
            return
        for place in range(max(len(old), len(new))):
            either = (
                each[place] if place < len(each) else rest
                for each, rest in zip((old, new), fill, strict=True)
            )
            old_one, new_one = either
            yield from self.changes(old_one, new_one, location([place], path), refs, depth)


def _keyword(name: str, recorded: Mapping[str, Any], live: Mapping[str, Any], path: str) -> _Changes:
    """The change of a keyword that holds no schema to look into."""
    old, new = recorded.get(name, ABSENT), live.get(name, ABSENT)
    at = location([name], path)
    if name in ("enum", "const"):
        if name == "enum" or "enum" not in {**recorded, **live}:
            yield from _allowed(name, recorded, live, path)
    elif _same(old, new):
        return
    elif name == "type":
        yield from _types(old, new, at)
    elif name == "required":
        yield from _required(old, new, at)
    elif name in _LOWER or name in _UPPER:
        yield _change(at, _bound_effect(name, old, new), f"its {name}", old, new)
    elif name in _TANGLED:
        yield _change(at, Effect.OTHER, f"its {name}", old, new)
    elif name in _ALL_OR_NOTHING:
        yield from _presence(name, recorded, live, path)
    else:
        text = f"its {name}" if name in ANNOTATIONS else f"{name}, which no rule is known of"
        yield _change(at, Effect.NONE, text, old, new)


def _types(old: Any, new: Any, at: str) -> _Changes:
    before, now = _type_set(old), _type_set(new)
    if before != now:
        loses = now is not None and (before is None or not before <= now)
        gains = before is not None and (now is None or not now <= before)
        yield _change(at, _effect(narrower=loses, wider=gains), "its type", old, new)


def _type_set(types: Any) -> frozenset[str] | None:
    """The types that are allowed; ``None`` for all. An integer is a number, too."""
    if types is ABSENT:
        return None
    listed = frozenset(map(str, types if isinstance(types, list) else [types]))
    return listed | _WHOLE if "number" in listed else listed


def _required(old: Any, new: Any, at: str) -> _Changes:
    before, now = (
        {name for name in each if isinstance(name, str)} if isinstance(each, list) else set()
        for each in (old, new)
    )
    if added := sorted(now - before):
        yield _change(at, Effect.NARROWER, f"newly required: {', '.join(added)}", old, new)
    if removed := sorted(before - now):
        yield _change(at, Effect.WIDER, f"no longer required: {', '.join(removed)}", old, new)


def _allowed(name: str, recorded: Mapping[str, Any], live: Mapping[str, Any], path: str) -> _Changes:
    """The values that ``enum`` or ``const`` list."""
    before, now = _values(recorded), _values(live)
    if before == now:
        return
    loses = now is not None and (before is None or not before <= now)
    gains = before is not None and (now is None or not now <= before)
    sides = (each.get("enum", each.get("const", ABSENT)) for each in (recorded, live))
    effect = _effect(narrower=loses, wider=gains)
    yield _change(location([name], path), effect, "its allowed values", *sides)


def _values(schema: Mapping[str, Any]) -> frozenset[bytes] | None:
    if isinstance(schema.get("enum"), list):
        return frozenset(map(canonical, schema["enum"]))
    return frozenset([canonical(schema["const"])]) if "const" in schema else None


def _bound_effect(name: str, old: Any, new: Any) -> Effect:
    if old is ABSENT or new is ABSENT:
        return Effect.NARROWER if old is ABSENT else Effect.WIDER
    if any(isinstance(each, bool) or not isinstance(each, (int, float)) for each in (old, new)):
        return Effect.OTHER
    return Effect.NARROWER if (new > old) == (name in _LOWER) else Effect.WIDER


def _presence(name: str, recorded: Mapping[str, Any], live: Mapping[str, Any], path: str) -> _Changes:
    """A keyword that forbids something where it is there, of which no more can be told."""
    nothing = _FORBIDS_NOTHING.get(name, ())
    old, new = (
        ABSENT if each in nothing else each for each in (recorded.get(name, ABSENT), live.get(name, ABSENT))
    )
    if not _same(old, new):
        effect = _effect(narrower=new is not ABSENT, wider=old is not ABSENT)
        yield _change(location([name], path), effect, f"its {name}", old, new)


def _effect(*, narrower: bool, wider: bool) -> Effect:
    if narrower and wider:
        return Effect.OTHER
    if narrower:
        return Effect.NARROWER
    return Effect.WIDER if wider else Effect.NONE


def _effects(changes: _Changes) -> set[Effect]:
    return {change.effect for change in changes}


def _change(path: str, effect: Effect, text: str, recorded: Any, live: Any) -> SchemaChange:
    return SchemaChange(path, effect, text, recorded, live)


def _whole_change(path: str, effect: Effect, text: str, recorded: Any, live: Any) -> _Changes:
    """The change of a schema that isn't looked into."""
    if canonical(recorded) != canonical(live):
        yield _change(path, effect, text, recorded, live)


def _same(old: Any, new: Any) -> bool:
    if old is ABSENT or new is ABSENT:
        return old is new
    return canonical(old) == canonical(new)


def _is_list(old: Any, new: Any) -> bool:
    return all(each is ABSENT or isinstance(each, list) for each in (old, new))


def _pointed(root: Any, ref: Any) -> Any:
    """What a JSON Pointer of the same document points to, or ``None``."""
    if not isinstance(ref, str) or not ref.startswith("#"):
        return None
    found = root
    for step in ref[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, Mapping) and name in found:
            found = found[name]
        else:
            return None
    return found
