"""The parts of the page that need no script: the numbers, the sessions, what failed and what was slow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from mcptap.matching.excerpt import printable
from mcptap.reporting.markup import Markup, element, joined
from mcptap.reporting.rows import Row
from mcptap.reporting.summary import Group, Summary, percentile

_MOST_GROUPS: Final = 500
_MOST_SESSIONS: Final = 200
_NOTHING: Final = "\N{EN DASH}"
_KILO: Final = 1000
_SECOND: Final = 1000.0
_EXPONENT: Final = 1e15  # more digits than anybody reads


def cards(summary: Summary) -> Markup:
    """The few numbers that come first."""
    ordered = sorted(summary.total.ms)
    shown = {
        "requests": f"{summary.total.calls:,}",
        "failed": f"{summary.total.failed:,}",
        "sessions": f"{len(summary.sessions):,}",
        "p50": duration(percentile(ordered, 0.5)),
        "p90": duration(percentile(ordered, 0.9)),
        "p99": duration(percentile(ordered, 0.99)),
        "max": duration(ordered[-1] if ordered else None),
        "proxy p50": duration(percentile(sorted(summary.total.proxy_ms), 0.5)),
    }
    return joined(
        *(
            element(
                "div",
                element("dt", name),
                element("dd", value, data_card=name),
                class_="card bad" if name == "failed" and summary.total.failed else "card",
            )
            for name, value in shown.items()
        )
    )


def groups_table(summary: Summary) -> Markup:
    """A row of numbers by method and target: those that took the most time first."""
    groups = summary.slowest_groups()
    whole = sum(summary.total.ms) or 1.0
    rows = [_group_cells(group, whole) for group in groups[:_MOST_GROUPS]]
    return joined(_body("groups", rows, names=2), _left_out("kinds of request", len(groups) - len(rows)))


def _group_cells(group: Group, whole: float) -> list[str]:
    ordered, proxied = sorted(group.ms), sorted(group.proxy_ms)
    return [
        group.method,
        group.target,
        f"{group.calls:,}",
        f"{group.failed:,}",
        *(duration(percentile(ordered, share)) for share in (0.5, 0.9, 0.99, 1.0)),
        duration(percentile(proxied, 0.5)),
        size(group.size),
        f"{100 * sum(ordered) / whole:.1f} %",
    ]


def sessions_table(summary: Summary) -> Markup:
    """A row by client session, in the order of their opening."""
    sessions = sorted(summary.sessions.values(), key=lambda each: (each.at, each.number))
    rows = [
        [
            str(each.number),
            each.client,
            each.speaks,
            seconds(each.at),
            f"{each.requests:,}",
            f"{each.failed:,}",
            duration(max(0.0, each.until - each.at) * _SECOND if each.requests else None),
        ]
        for each in sessions[:_MOST_SESSIONS]
    ]
    return joined(_body("sessions", rows, names=3), _left_out("sessions", len(sessions) - len(rows)))


def compared(rows: Iterable[Row], against: str) -> Markup:
    """How many calls are the same as in the other recording, and how many aren't."""
    counted = Counter(row.mark for row in rows)
    told = ", ".join(f"{counted[mark]:,} {mark}" for mark in ("same", "changed", "new", "gone"))
    return element("p", f"Against {printable(against)}: {told}.", id="compared")


def calls_table(rows: Sequence[Row], title: str) -> Markup:
    """Some calls for a browser without scripts, in a table of their own."""
    marked = any(row.mark for row in rows)
    names = ("seq", "at", "request", "took", "outcome", "says", *(["against"] if marked else []))
    head = element("tr", *(element("th", name, scope="col") for name in names))
    cells = [
        [
            str(row.seq),
            seconds(row.at),
            f"{row.method} {row.target}".strip(),
            duration(row.ms),
            row.outcome,
            row.note,
            *([row.mark] if marked else []),
        ]
        for row in rows
    ]
    table = element(
        "table", element("caption", title), element("thead", head), _body("calls", cells, names=0)
    )
    return element("div", table, class_="scroll", tabindex="0", role="group", aria_label=title)


def _body(name: str, rows: Sequence[Sequence[str]], names: int) -> Markup:
    """The rows of a table; all but the first ``names`` columns are numbers."""
    lines = (
        element(
            "tr",
            *(
                element("td", cell) if place < names or not names else element("td", cell, class_="n")
                for place, cell in enumerate(row)
            ),
        )
        for row in rows
    )
    return element("tbody", *lines, data_rows=name)


def _left_out(what: str, number: int) -> Markup:
    if number <= 0:
        return Markup("")
    cell = element("td", f"and {number:,} more {what}", colspan="11")
    return element("tfoot", element("tr", cell))


def duration(ms: float | None) -> str:
    """Milliseconds for people; a dash where there are none."""
    if ms is None:
        return _NOTHING
    if abs(ms) >= _EXPONENT:
        return f"{ms / _SECOND:.1e} s"
    if ms < 1:
        return f"{ms:.3f} ms"
    return f"{ms:.1f} ms" if ms < _SECOND else f"{ms / _SECOND:.2f} s"


def seconds(at: float) -> str:
    """Seconds since the header, for people."""
    return f"{at:.1e} s" if abs(at) >= _EXPONENT else f"{at:.3f} s"


def size(number: int) -> str:
    """Bytes for people."""
    if number < _KILO:
        return f"{number} B"
    return f"{number / _KILO:.1f} kB" if number < _KILO * _KILO else f"{number / _KILO / _KILO:.1f} MB"
