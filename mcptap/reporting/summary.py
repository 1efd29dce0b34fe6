"""The numbers of a report: percentiles by what was asked for, and what each session did."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Any

from mcptap.matching.excerpt import printable
from mcptap.model import SessionStart
from mcptap.reporting.rows import Row


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which ``share`` (0 to 1) of the ``ordered`` ones are; ``None`` where there are none.

    Between two values it is interpolated linearly (type 7 of Hyndman and Fan 1996, numpy's default).
    """
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@dataclass(slots=True)
class Group:
    """The calls of one kind: how many, how many of them failed, how long they took (milliseconds)."""

    method: str
    target: str
    calls: int = 0
    failed: int = 0
    size: int = 0
    ms: array[float] = field(default_factory=lambda: array("d"))
    proxy_ms: array[float] = field(default_factory=lambda: array("d"))

    def add(self, row: Row) -> None:
        """Count one call."""
        self.calls += 1
        self.failed += row.failed == 2  # noqa: PLR2004 - as `Row.failed` has it
        self.size += row.size
        if row.ms is not None:
            self.ms.append(row.ms)
        if row.proxy_ms is not None:
            self.proxy_ms.append(row.proxy_ms)


@dataclass(slots=True)
class SessionLine:
    """What is known of one client session. Times are seconds since the header."""

    number: int
    at: float
    era: str = ""
    transport: str = ""
    client: str = ""
    requests: int = 0
    failed: int = 0
    until: float = 0.0

    @property
    def speaks(self) -> str:
        """Its era and its transport."""
        return f"{self.era} {self.transport}".strip()

    def cells(self) -> list[Any]:
        """What the page's script knows of it."""
        return [self.number, self.at, self.client, self.speaks]


@dataclass(slots=True)
class Summary:
    """The numbers of a recording.

    Attributes:
        total: All its calls.
        groups: They by method and target.
        sessions: The client sessions, by number.
        messages: How many messages there were outside any request.
        lost: How many lines could not be recorded.
    """

    total: Group = field(default_factory=lambda: Group("", ""))
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    sessions: dict[int, SessionLine] = field(default_factory=dict)
    messages: int = 0
    lost: int = 0

    def add(self, row: Row) -> None:
        """Count one call."""
        self.total.add(row)
        key = (row.method, row.target)
        if key not in self.groups:
            self.groups[key] = Group(*key)
        self.groups[key].add(row)
        session = self.sessions.setdefault(row.session, SessionLine(row.session, row.at))
        session.requests += 1
        session.failed += row.failed == 2  # noqa: PLR2004 - as `Row.failed` has it
        session.until = max(session.until, row.at + ((row.ms or 0) + (row.proxy_ms or 0)) / 1000)

    def open_session(self, start: SessionStart) -> None:
        """Note who a session is with."""
        client = start.client or {}
        who = " ".join(str(client[name]) for name in ("name", "version") if name in client)
        line = self.sessions.setdefault(start.session, SessionLine(start.session, start.at))
        line.at, line.era, line.transport = start.at, start.era, printable(start.transport)
        line.client = printable(who)[:100]

    def slowest_groups(self) -> list[Group]:
        """The groups, those that took the most time together first."""
        return sorted(self.groups.values(), key=lambda group: (-sum(group.ms), -group.calls))


def summary_of(rows: Iterable[Row]) -> Summary:
    """The numbers of some calls."""
    summary = Summary()
    for row in rows:
        summary.add(row)
    return summary
