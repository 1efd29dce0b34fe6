"""Texts that are JSON: many tools say what they found in both forms, or in this one alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcptap import codec
from mcptap.matching.canonical import canonical
from mcptap.model import Json

_CONTENT = "content"
_TEXT = "text"


def with_json_texts(recorded: Json, live: Json) -> tuple[Json, Json]:
    """Two results of a tool, with their texts as the JSON that they are, where they differ as such.

    Texts that are the same stay, and so do those that differ in no more than how their JSON is written.
    """
    contents = recorded.get(_CONTENT), live.get(_CONTENT)
    if not all(isinstance(content, list) for content in contents):
        return recorded, live
    items = [list(content or ()) for content in contents]
    for place, (old, new) in enumerate(zip(*items, strict=False)):
        parsed = _parsed(old), _parsed(new)
        if None not in parsed and canonical(parsed[0]) != canonical(parsed[1]):
            for side, item, value in zip(items, (old, new), parsed, strict=True):
                side[place] = {**item, _TEXT: value}
    return {**recorded, _CONTENT: items[0]}, {**live, _CONTENT: items[1]}


def _parsed(item: Any) -> Any:
    """The object or list that an item's text is, or ``None``."""
    text = item.get(_TEXT) if isinstance(item, Mapping) else None
    if not isinstance(text, str) or not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return codec.loads(text.strip().encode())
    except (ValueError, UnicodeEncodeError):
        return None
