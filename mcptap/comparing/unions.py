"""Which values a JSON Schema's alternatives allow: ``anyOf``, ``oneOf`` and lists of types are one thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ANNOTATIONS: Final = frozenset(
    {
        "$anchor", "$comment", "$dynamicAnchor", "$id", "$schema", "$vocabulary", "contentEncoding",
        "contentMediaType", "contentSchema", "default", "deprecated", "description", "examples", "readOnly",
        "title", "writeOnly",
    }
)  # fmt: skip
"""Keywords that allow and forbid nothing (JSON Schema 2020-12, Validation, sections 8 and 9)."""

DEFINITIONS: Final = frozenset({"$defs", "definitions"})
"""Keywords that mean something only where they are referred to."""

UNIONS: Final = ("anyOf", "oneOf")


def union_of(schema: Mapping[str, Any]) -> str | None:
    """The keyword of a schema's alternatives, where it has just one that is a list of schemas."""
    found = [keyword for keyword in UNIONS if isinstance(schema.get(keyword), list)]
    return found[0] if len(found) == 1 else None


def without_union(schema: Mapping[str, Any], keyword: str) -> dict[str, Any]:
    """What of a schema holds for all its alternatives."""
    return {name: value for name, value in schema.items() if name != keyword}


def is_only_union(schema: Mapping[str, Any], keyword: str) -> bool:
    """Whether a schema says nothing that forbids a value but its alternatives."""
    return not schema.keys() - ANNOTATIONS - DEFINITIONS - {keyword}


def alternatives(schema: Mapping[str, Any]) -> list[Any]:
    """A schema that has no union as the list of its alternatives: one for each of its types."""
    types = schema.get("type")
    if isinstance(types, list) and len(types) > 1:
        return [{**schema, "type": each} for each in types]
    return [schema]
