"""Schemas that PyPI's mcp-cassette has masked, so that they are schemas again.

It masks the value of every member whose name has a "token" or a "password" in it, and that is also the
schema of an argument of such a name. What was there can't be known: any value is allowed in its place.
"""

from __future__ import annotations

from typing import Any, Final

from mcptap.redaction.zones import SCHEMAS

_MASK: Final = "REDACTED"
_NAMED: Final = frozenset({"properties", "patternProperties", "$defs", "definitions"})


def unmasked(value: Any) -> tuple[Any, int]:
    """A message, or a piece of one, with masked schemas opened, and how many that were."""
    return _walk(value, in_schema=False, named=False)


def _walk(value: Any, *, in_schema: bool, named: bool) -> tuple[Any, int]:
    """``named`` says that the members of ``value`` are schemas by their names."""
    if named and isinstance(value, dict):
        pairs = {
            key: ({}, 1) if item == _MASK else _walk(item, in_schema=True, named=False)
            for key, item in value.items()
        }
    elif isinstance(value, dict):
        pairs = {
            key: _walk(item, in_schema=in_schema or key in SCHEMAS, named=in_schema and key in _NAMED)
            for key, item in value.items()
        }
    elif isinstance(value, list):
        items = [_walk(item, in_schema=in_schema, named=False) for item in value]
        return [item for item, _ in items], sum(opened for _, opened in items)
    else:
        return value, 0
    return {key: item for key, (item, _) in pairs.items()}, sum(opened for _, opened in pairs.values())
