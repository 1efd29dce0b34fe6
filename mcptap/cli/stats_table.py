"""The tables of `mcptap stats`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from mcptap.cli.table import Column, Table, screen_width

if TYPE_CHECKING:
    from mcptap.analysis.bootstrap import Change
    from mcptap.analysis.comparison import Comparison
    from mcptap.analysis.statistics import Group

_NUMBERS: Final = (
    "calls", "errors", "tool errors", "p50", "p90", "p99", "max", "share", "bytes", "proxy p50", "proxy",
)  # fmt: skip
_CHANGES: Final = ("percentile", "old", "new", "change", "95 % interval", "calls")
_KILO: Final = 1000
_ONE_DECIMAL: Final = 100


def groups_table(keys: Sequence[str], found: Sequence[Group], recordings: int) -> Iterator[str]:
    """Lines that show groups; times in milliseconds."""
    interactions = sum(group.calls for group in found)
    yield click.style(
        f"{_count(interactions, 'interaction')} in {_count(recordings, 'recording')}", bold=True
    )
    if not found:
        return
    table = _table(keys, _NUMBERS)
    _hide_what_is_all_the_same(table, keys, [group.key for group in found])
    rows = [(*_named(group.key), *_numbers(group)) for group in found]
    for row in rows:
        table.measure(row)
    table.fit(screen_width())
    yield ""
    yield table.heading()
    errors, tool_errors = len(keys) + 1, len(keys) + 2
    for row in rows:
        yield table.line(row, {errors: "red", tool_errors: "yellow"})


def comparison_table(keys: Sequence[str], compared: Sequence[Comparison]) -> Iterator[str]:
    """Lines that show how each group's percentiles changed."""
    table = _table(keys, _CHANGES)
    _hide_what_is_all_the_same(table, keys, [each.key for each in compared])
    rows = [row for each in compared for row in _changes(each)]
    for row, _ in rows:
        table.measure(row)
    table.fit(screen_width())
    yield table.heading()
    place = len(keys) + _CHANGES.index("change")
    for row, colour in rows:
        yield table.line(row, {place: colour} if colour else None)


def _table(keys: Sequence[str], numbers: Sequence[str]) -> Table:
    named = [Column(key, shrinks=True) for key in keys]
    return Table([*named, *(Column(number, numeric=True) for number in numbers)])


def _hide_what_is_all_the_same(
    table: Table, keys: Sequence[str], found: Sequence[tuple[str | None, ...]]
) -> None:
    """A recording of one server needs no column that says so."""
    for place, key in enumerate(keys):
        if key in ("server", "file") and len({each[place] for each in found}) <= 1 < len(keys):
            table.hide(place)


def _named(key: Sequence[str | None]) -> list[str]:
    return [part or "" for part in key]


def _numbers(group: Group) -> tuple[str, ...]:
    return (
        str(group.calls),
        str(group.errors or ""),
        str(group.tool_errors or ""),
        *map(_ms, (group.p50, group.p90, group.p99, group.max)),
        f"{group.share:.0%}",
        _bytes(group.bytes),
        _ms(group.proxy_p50),
        f"{group.proxy_share:.0%}",
    )


def _changes(each: Comparison) -> Iterator[tuple[tuple[str, ...], str | None]]:
    key = _named(each.key)
    if not each.changes:
        gone = "only in OLD" if each.new is None else "only in NEW" if each.old is None else "no times"
        calls = (each.new or each.old or None) and (each.new or each.old)
        yield (*key, gone, "", "", "", "", str(calls.calls if calls else "")), None
        return
    calls_of_both = f"{each.old.calls if each.old else 0} → {each.new.calls if each.new else 0}"
    for place, (name, made) in enumerate(each.changes.items()):
        shown = key if place == 0 else [""] * len(key)
        interval = f"{_ratio(made.low)} to {_ratio(made.high)}"
        row = (*shown, name, _ms(made.old), _ms(made.new), _ratio(made.ratio), interval)
        yield (*row, calls_of_both if place == 0 else ""), _colour(made)


def _colour(made: Change) -> str | None:
    if not made.certain:
        return None
    return "red" if made.ratio > 1 else "green"


def _ratio(value: float) -> str:
    return f"{value:.2f}x"


def _ms(value: float | None) -> str:
    if value is None:
        return ""
    return (
        f"{value:.2f}" if abs(value) < 1 else f"{value:.1f}" if abs(value) < _ONE_DECIMAL else f"{value:.0f}"
    )


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if value < _KILO or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= _ONE_DECIMAL else f"{value:.1f} {unit}"
        value /= _KILO
    raise AssertionError


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
