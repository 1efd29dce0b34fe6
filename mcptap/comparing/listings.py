"""What a server offers now beside what it offered: tools, prompts, resources and resource templates.

The order of a listing, and how it is cut into pages, mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcptap.codec import dumps
from mcptap.comparing.finding import Finding, Severity
from mcptap.comparing.schemas import Effect, SchemaChange, schema_changes
from mcptap.comparing.values import Ignored, Places
from mcptap.matching.nearest import ABSENT, differing, location
from mcptap.model import Json

NEXT_CURSOR: Final = "nextCursor"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of listing: the member with its items, the member that an item is known by, and its name."""

    member: str
    key: str
    noun: str


KINDS: Final[Mapping[str, Kind]] = {
    "tools/list": Kind("tools", "name", "tool"),
    "prompts/list": Kind("prompts", "name", "prompt"),
    "resources/list": Kind("resources", "uri", "resource"),
    "resources/templates/list": Kind("resourceTemplates", "uriTemplate", "resource template"),
}
"""The listings of the protocol, by method."""

_SENDING: Final = frozenset({Effect.NARROWER, Effect.OTHER, Effect.LOST})
_READING: Final = frozenset({Effect.WIDER, Effect.OTHER, Effect.LOST})
_SCHEMAS: Final = {
    "inputSchema": ("what it takes", _SENDING),
    "outputSchema": ("what it gives", _READING),
}
"""Members with a JSON Schema, and what breaks a client, which sends by the one and reads by the other."""
_BREAKING: Final = frozenset({"mimeType"})


def listing_findings(
    method: str,
    recorded: Sequence[Json],
    live: Sequence[Json],
    ignored: Ignored,
    *,
    complete: bool,
    live_complete: bool = True,
) -> list[Finding]:
    """What of a listing has changed.

    Args:
        method: Its method.
        recorded: The recorded results, a page each.
        live: The live results, likewise.
        ignored: What to leave out. It is applied to each item by itself, as if the listing had no other.
        complete: Whether the recorded results go on to the end, so that what they don't have wasn't there.
        live_complete: The same of the live ones.
    """
    kind = KINDS[method]
    before, now = _items(kind, recorded), _items(kind, live)
    found: list[Finding] = []
    for key in dict.fromkeys((*before, *now)):
        old, new = before.get(key, ABSENT), now.get(key, ABSENT)
        if (old is ABSENT and not complete) or (new is ABSENT and not live_complete):
            continue
        places = _places(kind, ignored, old, new)
        if "$" not in places:
            found += _item_findings(kind, key, old, new, places)
    return found + list(_page_findings(kind, recorded, live, ignored))


def _item_findings(kind: Kind, key: str, old: Any, new: Any, places: Places) -> Iterator[Finding]:
    about = f"{kind.noun} {key}"
    quoted = key.replace("\\", "\\\\").replace("'", "\\'")
    base = f"$.{kind.member}[?@.{kind.key}=='{quoted}']"

    def finding(severity: Severity, path: str, text: str, sides: tuple[Any, Any]) -> Finding:
        return Finding(severity, base + path[1:], text, *sides, about=about)

    if new is ABSENT:
        yield Finding("breaking", base, f"the {kind.noun} is gone", about=about)
    elif old is ABSENT:
        yield Finding("compatible", base, f"a new {kind.noun}", about=about)
    elif not isinstance(old, Mapping) or not isinstance(new, Mapping):
        if list(differing([old], [new])):
            yield finding("difference", "$", "it is no object", (old, new))
    else:
        for name in dict.fromkeys((*old, *new)):
            sides = old.get(name, ABSENT), new.get(name, ABSENT)
            for severity, path, text, *values in _member_changes(kind, name, *sides):
                if path not in places:
                    yield finding(severity, path, text, (values[0], values[1]))


def _member_changes(
    kind: Kind, name: str, old: Any, new: Any
) -> Iterator[tuple[Severity, str, str, Any, Any]]:
    path = location([name])
    if name in _SCHEMAS and kind.noun == "tool":
        text, breaking = _SCHEMAS[name]
        for change in _schema_changes(old, new, path):
            severity: Severity = "breaking" if change.effect in breaking else "compatible"
            yield severity, change.path, f"{text}: {change.text}", change.recorded, change.live
    elif name == "arguments" and kind.noun == "prompt":
        yield from _argument_changes(old, new, path)
    else:
        severity = "breaking" if name in _BREAKING else "compatible"
        for field in differing({name: old}, {name: new}):
            yield severity, field.path, f"its {name}", field.recorded, field.live


def _schema_changes(old: Any, new: Any, path: str) -> list[SchemaChange]:
    """The changes of a schema; one that is not there promises and demands nothing."""
    if old is ABSENT:
        return [SchemaChange(path, Effect.NARROWER, "a schema", ABSENT, new)]
    if new is ABSENT:
        return [SchemaChange(path, Effect.WIDER, "no schema any more", old, ABSENT)]
    return schema_changes(old, new, path)


def _argument_changes(old: Any, new: Any, path: str) -> Iterator[tuple[Severity, str, str, Any, Any]]:
    before, now = (_by_key(each if isinstance(each, list) else [], "name") for each in (old, new))
    for name in dict.fromkeys((*before, *now)):
        at = f"{path}[?@.name=='{name}']"
        was, is_ = before.get(name, ABSENT), now.get(name, ABSENT)
        demands = [isinstance(each, Mapping) and each.get("required") is True for each in (was, is_)]
        if is_ is ABSENT:
            yield "breaking", at, "the argument is gone", was, is_
        elif demands == [False, True]:
            yield "breaking", at, "the argument is newly required", was, is_
        elif was is ABSENT:
            yield "compatible", at, "a new argument", was, is_
        else:
            text = "the argument is no longer required" if demands == [True, False] else "an argument"
            for field in differing({"": was}, {"": is_}):
                yield "compatible", at + field.path.removeprefix("$['']"), text, field.recorded, field.live


def _page_findings(
    kind: Kind, recorded: Sequence[Json], live: Sequence[Json], ignored: Ignored
) -> Iterator[Finding]:
    """What the first page says besides its items."""
    sides = [
        {name: value for name, value in pages[0].items() if name not in (kind.member, NEXT_CURSOR)}
        for pages in (recorded, live)
    ]
    places = ignored.places(*sides)
    for field in differing(*sides):
        if field.path not in places:
            yield Finding("difference", field.path, "the listing", field.recorded, field.live)


def _items(kind: Kind, pages: Iterable[Json]) -> dict[str, Any]:
    listed = (page.get(kind.member) for page in pages)
    return _by_key((item for items in listed if isinstance(items, list) for item in items), kind.key)


def _by_key(items: Iterable[Any], key: str) -> dict[str, Any]:
    """Items by what they are known by; those of the same name are told apart by their order."""
    found: dict[str, Any] = {}
    for item in items:
        name = item.get(key) if isinstance(item, Mapping) else None
        name = known = name if isinstance(name, str) else dumps(name).decode()
        count = 1
        while name in found:
            count += 1
            name = f"{known} ({count})"
        found[name] = item
    return found


def _places(kind: Kind, ignored: Ignored, old: Any, new: Any) -> Places:
    """What of one item is left out, as paths from the item."""
    sides = [{kind.member: [each]} for each in (old, new) if each is not ABSENT]
    return Places(location(parts[2:]) for parts in ignored.parts(*sides) if len(parts) > 1)
