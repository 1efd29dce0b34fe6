"""Changing one entry in the text of a configuration, with every other character kept."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcptap.clients.document import Document, parse
from mcptap.clients.entries import ENVS, HEADERS, URLS
from mcptap.clients.node import NOWHERE, Node
from mcptap.clients.places import Place
from mcptap.errors import UsageError

_LONG: Final = 80
_HIDDEN: Final = "…"


def replace(place: Place, text: str, value: Any) -> str:
    """The text of the whole configuration with ``text`` in the place of an entry.

    Args:
        place: The entry.
        text: What is to stand there, as `spell` or a backup has it.
        value: What that says.

    Raises:
        UsageError: The entry has no text of its own, or others share it.
    """
    document, node = place.document, place.node
    hint = "write it out, or edit it by hand"
    if node.start == NOWHERE:
        raise UsageError(f"{document.path}: the entry {place.name!r} has no text of its own", hint)
    edited = document.text[: node.start] + text + document.text[node.end :]
    try:
        found = parse(document.path, edited).root.value
    except UsageError:
        found = None
    if found != _with(document.root.value, place.pointer, value):
        raise UsageError(f"{document.where(node)}: {place.name!r} can't be changed without others", hint)
    return edited


def spell(place: Place, value: Mapping[str, Any], sources: tuple[Place, ...]) -> str:
    """Write an entry as its surroundings are written.

    Args:
        place: Where it is to stand.
        value: What it is to say.
        sources: Entries from which members that say the same are taken as they are written there.
    """
    document, node = place.document, place.node
    column = node.start - document.text.rfind("\n", 0, node.start) - 1
    if document.format == "YAML" and not document.text.startswith("{", node.start):
        from mcptap.clients import yaml  # noqa: PLC0415 - most have no need of it

        return yaml.dump(dict(value), column)
    source = document.text[node.start : node.end]
    line_end = "\r\n" if "\r\n" in source else "\n"
    if "\n" not in source:
        return f"{{{', '.join(_members(value, sources, '', ''))}}}"
    outer = _indent(document.text, node.end - 1)
    inner = _indent(document.text, node.members[0][1].start) if node.members else ""
    if len(inner) <= len(outer):
        inner = outer + "  "
    members = f",{line_end}{inner}".join(
        _members(value, sources, line_end + inner, inner.removeprefix(outer))
    )
    return f"{{{line_end}{inner}{members}{line_end}{outer}}}"


def difference(before: Document, after: str) -> Iterator[str]:
    """The lines of a unified diff, with what may be a secret left out."""
    old, new = (_shown(document) for document in (before, parse(before.path, after)))
    name = str(before.path)
    yield from difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), name, f"{name} (new)"
    )


def _members(
    value: Mapping[str, Any], sources: tuple[Place, ...], line_start: str, step: str
) -> Iterator[str]:
    for key, item in value.items():
        for source in sources:
            node = source.node.member(key)
            if node is not None and node.start != NOWHERE and node.value == item:
                text = source.document.text[node.start : node.end]
                break
        else:
            text = _json(item, line_start, step)
        yield f"{_plain(key)}: {text}"


def _json(value: Any, line_start: str, step: str) -> str:
    """A value on one line, or a long list or table on one for each item."""
    text = _plain(value)
    if len(text) <= _LONG or not line_start or not isinstance(value, (list, dict)):
        return text
    items = (
        [f"{_plain(key)}: {_plain(item)}" for key, item in value.items()]
        if isinstance(value, dict)
        else map(_plain, value)
    )
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    inner = line_start + step
    return f"{opening}{inner}{f',{inner}'.join(items)}{line_start}{closing}"


def _plain(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # an unpaired surrogate
        return json.dumps(value)
    return text


def _indent(text: str, at: int) -> str:
    """The white space at the beginning of the line that a place is in."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _with(root: Any, pointer: tuple[str, ...], value: Any) -> Any:
    if not pointer:
        return value
    return {**root, pointer[0]: _with(root[pointer[0]], pointer[1:], value)}


def _shown(document: Document) -> str:
    text = document.text
    for node in sorted(_secrets(document.root), key=lambda node: node.start, reverse=True):
        text = f'{text[: node.start]}"{_HIDDEN}"{text[node.end :]}'
    return text


def _secrets(node: Node) -> Iterator[Node]:
    """What headers and environments say, and URLs with more than a place in them."""
    for key, member in node.members:
        if key in {*ENVS, *HEADERS}:
            yield from (value for _, value in member.members if value.start != NOWHERE)
        elif key in URLS and set("?@") & set(str(member.value)) and member.start != NOWHERE:
            yield member
        else:
            yield from _secrets(member)
    for item in node.items:
        yield from _secrets(item)
