"""Verdicts for people: what differs, by what it is about and the worst first, recorded beside live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import click

from mcptap.cli.table import Column, Table, columns_of, screen_width, shortened
from mcptap.codec import dumps
from mcptap.comparing.finding import SEVERITIES, Finding, Verdict
from mcptap.matching.excerpt import one_line, printable, side_by_side
from mcptap.matching.nearest import ABSENT

_COLOURS: Final = {"breaking": "red", "difference": "yellow", "compatible": "green"}
_INDENT: Final = "  "
_BETWEEN: Final = " │ "
_WIDEST: Final = 120
_MOST_NUMBERS: Final = 10


@dataclass(slots=True)
class _Found:
    finding: Finding
    seqs: list[int] = field(default_factory=list)


def counts_of(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How many requests were made, how many are the same, differ and were skipped, and how many break."""
    counts = {"interactions": 0, "same": 0, "differs": 0, "skipped": 0, "breaking": 0}
    for verdict in verdicts:
        counts["interactions"] += 1
        counts[verdict.state] += 1
        counts["breaking"] += any(finding.severity == "breaking" for finding in verdict.findings)
    return counts


def summary(counts: dict[str, int]) -> str:
    """The numbers in one line."""
    differs = f"{counts['differs']} differ"
    breaking = f" ({counts['breaking']} breaking)" if counts["breaking"] else ""
    return f"{counts['same']} the same, {differs}{breaking}, {counts['skipped']} skipped"


def differences(verdicts: Iterable[Verdict], sides: tuple[str, str]) -> Iterator[str]:
    """All findings, grouped by what they are about; those that break a client come first.

    Args:
        verdicts: The verdicts.
        sides: What the two columns are called.
    """
    groups = defaultdict[str, dict[bytes, _Found]](dict)
    for verdict in verdicts:
        for finding in verdict.findings:
            group = groups[finding.about or verdict.about]
            group.setdefault(dumps(finding.as_json()), _Found(finding)).seqs.append(verdict.seq)
    width = (min(screen_width() or _WIDEST, _WIDEST) - 2 * len(_INDENT) - len(_BETWEEN)) // 2
    for name, found in sorted(groups.items(), key=lambda group: _worst(group[1].values())):
        yield ""
        yield click.style(printable(name), bold=True)
        if any(_has_values(each.finding) for each in found.values()):
            yield click.style(_columns(*sides, width), dim=True)
        said = ""
        for each in sorted(found.values(), key=lambda one: SEVERITIES.index(one.finding.severity)):
            if (what := _what(each)) != said:
                yield what
                said = what
            yield from _shown(each.finding, width)


def skipped(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """The requests that were not made, by the reason."""
    reasons = defaultdict[str, list[Verdict]](list)
    for verdict in verdicts:
        if verdict.skipped is not None:
            reasons[verdict.skipped].append(verdict)
    for reason, those in reasons.items():
        names = ", ".join(dict.fromkeys(verdict.about for verdict in those))
        yield printable(f"skipped: {_numbered([each.seq for each in those])}, {names}: {reason}")


def notes(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """What is worth to know and no difference."""
    for verdict in verdicts:
        for note in verdict.notes:
            yield printable(f"note: {_numbered([verdict.seq])}, {verdict.about}: {note}")


def latency(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """How long requests took, recorded and live: the median of each kind that was answered in both."""
    times = defaultdict[str, list[tuple[float, float]]](list)
    for verdict in verdicts:
        if verdict.recorded_ms is not None and verdict.live_ms is not None:
            times[verdict.about].append((verdict.recorded_ms, verdict.live_ms))
    columns = ("latency (median, ms)", False), ("calls", True), ("recorded", True), ("live", True)
    table = Table([Column(title, numeric=numeric, shrinks=not numeric) for title, numeric in columns])
    rows = [
        [about, str(len(pairs)), *(f"{median(side):.1f}" for side in zip(*pairs, strict=True))]
        for about, pairs in times.items()
    ]
    for row in rows:
        table.measure(row)
    table.fit(screen_width())
    if rows:
        yield ""
        yield table.heading()
        yield from map(table.line, rows)


def _what(found: _Found) -> str:
    finding = found.finding
    severity = click.style(f"{finding.severity:<10}", fg=_COLOURS[finding.severity])
    return f"{_INDENT}{severity}  " + printable(f"{finding.text} ({_numbered(found.seqs)})")


def _shown(finding: Finding, width: int) -> Iterator[str]:
    if finding.path != "$":
        yield printable(f"{_INDENT * 2}{finding.path}")
    if _has_values(finding):
        yield _columns(*_values(finding), width)


def _has_values(finding: Finding) -> bool:
    return not (finding.recorded is ABSENT and finding.live is ABSENT)


def _values(finding: Finding) -> tuple[str, str]:
    if finding.recorded is ABSENT or finding.live is ABSENT:
        absent = [
            "(absent)" if each is ABSENT else one_line(each) for each in (finding.recorded, finding.live)
        ]
        return absent[0], absent[1]
    return side_by_side(finding.recorded, finding.live)


def _columns(recorded: str, live: str, width: int) -> str:
    left = shortened(recorded, width)
    padding = " " * (width - columns_of(left))
    return f"{_INDENT * 2}{left}{padding}{_BETWEEN}{shortened(live, width)}".rstrip()


def _worst(found: Iterable[_Found]) -> int:
    return min(SEVERITIES.index(each.finding.severity) for each in found)


def _numbered(seqs: Sequence[int]) -> str:
    shown = ", ".join(map(str, seqs[:_MOST_NUMBERS]))
    more = f" and {len(seqs) - _MOST_NUMBERS} more" if len(seqs) > _MOST_NUMBERS else ""
    return f"interaction{'s' * (len(seqs) > 1)} {shown}{more}"
