"""Configurations for the tests: documents as people write them, comments and all."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

GAPS = st.sampled_from(["", " ", "\n", "\r\n", "\t", " // a } comment\n", '/* a { " comment */', "\n\n    "])
NAMES = st.text(max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
COMMANDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"command": st.text(min_size=1, max_size=8).filter(lambda text: text.isprintable())},
    optional={
        "args": st.lists(st.text(max_size=6), max_size=3),
        "env": st.dictionaries(NAMES, st.text(max_size=6), max_size=2),
        "timeout": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "description": st.text(max_size=6),
        "disabled": st.booleans(),
    },
)
URLS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"url": st.sampled_from(["http://h/mcp", "https://u:p@h/sse?key=k", "https://h/${X}"])},
    optional={
        "headers": st.dictionaries(NAMES, st.text(max_size=6), max_size=3),
        "type": st.sampled_from(["http", "sse", "streamable-http"]),
        "env": st.dictionaries(NAMES, st.text(max_size=6), max_size=2),
        "timeout": st.integers(),
    },
)
ENTRIES = COMMANDS | URLS


@st.composite
def spelled(draw: st.DrawFn, value: Any) -> str:
    """A value with white space, comments and trailing commas wherever they may be."""

    def gap() -> str:
        return draw(GAPS)

    if isinstance(value, dict):
        members = [
            f"{gap()}{_text(draw, name)}{gap()}:{gap()}{draw(spelled(item))}{gap()}"
            for name, item in value.items()
        ]
        return f"{{{','.join(members)}{_trailing(draw, members)}{gap()}}}"
    if isinstance(value, list):
        items = [f"{gap()}{draw(spelled(item))}{gap()}" for item in value]
        return f"[{','.join(items)}{_trailing(draw, items)}{gap()}]"
    return _text(draw, value)


@st.composite
def configurations(draw: st.DrawFn) -> tuple[str, str]:
    """The text of a configuration, and the name of a server in it."""
    servers = draw(st.dictionaries(NAMES, ENTRIES, min_size=1, max_size=4))
    others = draw(st.dictionaries(NAMES.filter(lambda name: name not in _TABLES), VALUES, max_size=2))
    items = [*others.items(), (draw(st.sampled_from(["mcpServers", "servers"])), servers)]
    root = dict(draw(st.permutations(items)))
    text = draw(GAPS) + draw(spelled(root)) + draw(GAPS)
    return draw(st.sampled_from(["", "\ufeff"])) + text, draw(st.sampled_from(sorted(servers)))


_TABLES = frozenset({"mcpServers", "servers", "mcp", "mcp_servers"})


def _text(draw: st.DrawFn, value: Any) -> str:
    return json.dumps(value, ensure_ascii=draw(st.booleans()) or _has_surrogate(value))


def _has_surrogate(value: Any) -> bool:
    return isinstance(value, str) and any("\ud800" <= each <= "\udfff" for each in value)


def _trailing(draw: st.DrawFn, items: list[str]) -> str:
    trailing: bool = draw(st.booleans())
    return "," if items and trailing else ""
