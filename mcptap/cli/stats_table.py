"""The tables of `mcptap stats`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Final

import click

from mcptap.cli.table import Column, Table, screen_width

if TYPE_CHECKING:
    from mcptap.analysis.bootstrap import Change
    from mcptap.analysis.comparison import Comparison
    from mcptap.analysis.statistics import Group

_NUMBERS: Final = (
    "calls", "errors", "tool errors", "unanswered",
    "p50", "p90", "p99", "max", "share", "bytes", "proxy p50", "proxy",
)  # fmt: skip
_CHANGES: Final = ("percentile", "old", "new", "change", "95 % interval", "calls", "failed")
_LEAVING: Final = ("", "proxy p50", "bytes", "proxy", "95 % interval", "max", "p90", "share", "p50")
"""What leaves a narrow table, the least important first; before it all that is empty."""

_LEAST: Final = {"tool": 20, "target": 20}
_LEAST_OF_OTHERS: Final = 8
_COLOURS: Final = {"errors": "red", "tool errors": "yellow", "unanswered": "red"}
_KILO: Final = 1000
_ONE_DECIMAL: Final = 100
_EXPONENT: Final = 1e15  # more digits than anybody reads


def groups_table(keys: Sequence[str], found: Sequence[Group], recordings: int) -> Iterator[str]:
    """Lines that show groups; times in milliseconds."""
    interactions = sum(group.calls for group in found)
    yield click.style(
        f"{_count(interactions, 'interaction')} in {_count(recordings, 'recording')}", bold=True
    )
    if not found:
        return
    rows = [(*_named(group.key), *_numbers(group)) for group in found]
    table = _table(keys, _NUMBERS, rows, "unanswered")
    yield ""
    yield table.heading()
    colours = {len(keys) + _NUMBERS.index(name): colour for name, colour in _COLOURS.items()}
    for row in rows:
        yield table.line(row, colours)


def comparison_table(keys: Sequence[str], compared: Sequence[Comparison]) -> Iterator[str]:
    """Lines that show how each group's percentiles changed."""
    if not compared:
        yield "nothing to compare: neither OLD nor NEW has an interaction"
        return
    rows = [row for each in compared for row in _changes(each)]
    table = _table(keys, _CHANGES, [row for row, _ in rows], "failed")
    yield table.heading()
    change, failed = (len(keys) + _CHANGES.index(name) for name in ("change", "failed"))
    for row, colour in rows:
        yield table.line(row, {change: colour, failed: "red"} if colour else {failed: "red"})


def _table(keys: Sequence[str], numbers: Sequence[str], rows: Sequence[Sequence[str]], rare: str) -> Table:
    """A table that fits the screen; of ``rare``, one of its numbers, it says nothing where all are none."""
    empty = [not any(cells) for cells in zip(*rows, strict=True)]
    columns = [
        Column(name, shrinks=True, least=_LEAST.get(name, _LEAST_OF_OTHERS))
        if place < len(keys)
        else Column(name, numeric=True, leaves=_leaves("" if empty[place] else name))
        for place, name in enumerate((*keys, *numbers))
    ]
    table = Table(columns)
    for place, column in enumerate(columns):
        if (column.title == rare and empty[place]) or (place < len(keys) and _is_told(keys, place, rows)):
            table.hide(place)
    for row in rows:
        table.measure(row)
    table.fit(screen_width())
    return table


def _leaves(name: str) -> int:
    return _LEAVING.index(name) + 1 if name in _LEAVING else 0


def _is_told(keys: Sequence[str], place: int, rows: Sequence[Sequence[str]]) -> bool:
    """A recording of one server needs no column that says so."""
    same = len({row[place] for row in rows if any(row[: len(keys)])}) <= 1
    return keys[place] in ("server", "file") and same and len(keys) > 1


def _named(key: Sequence[str | None]) -> list[str]:
    return [part or "" for part in key]


def _numbers(group: Group) -> tuple[str, ...]:
    return (
        str(group.calls),
        str(group.errors or ""),
        str(group.tool_errors or ""),
        str(group.unanswered or ""),
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
        yield (*key, gone, "", "", "", "", *_calls(each)), None
        return
    for place, (name, made) in enumerate(each.changes.items()):
        shown = key if place == 0 else [""] * len(key)
        interval = f"{_ratio(made.low)} to {_ratio(made.high)}" if isfinite(made.low + made.high) else ""
        row = (*shown, name, _ms(made.old), _ms(made.new), _ratio(made.ratio), interval)
        yield (*row, *(_calls(each) if place == 0 else ("", ""))), _colour(made)


def _calls(each: Comparison) -> tuple[str, str]:
    """How many there were and are, and how many failed; the latter only where one did."""
    old, new = each.old, each.new
    if old is None or new is None:
        one = old or new
        return (str(one.calls), str(one.failed or "")) if one else ("", "")
    failed = f"{old.failed} → {new.failed}" if old.failed or new.failed else ""
    return f"{old.calls} → {new.calls}", failed


def _colour(made: Change) -> str | None:
    if not made.certain:
        return None
    return "red" if made.ratio > 1 else "green"


def _ratio(value: float) -> str:
    """A ratio; nothing where there is none, as after 0."""
    return f"{value:.2f}x" if isfinite(value) else ""


def _ms(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= _EXPONENT:
        return f"{value:.1e}"
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
