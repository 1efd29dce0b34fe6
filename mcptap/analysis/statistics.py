"""Groups of interactions and their numbers, by exact percentiles.

A percentile between two values is interpolated linearly: DuckDB's ``quantile_cont``, numpy's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final

from mcptap.analysis import columns
from mcptap.analysis.asking import ask
from mcptap.errors import UsageError

if TYPE_CHECKING:
    import duckdb

PERIODS: Final = ("minute", "hour", "day")
"""What interactions can be grouped by besides their columns: the time of the request, cut down."""

PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
"""The percentiles that are shown."""

DEFAULT_KEYS: Final = ("server", "method", "tool")
"""What interactions are grouped by unless something else is asked for."""

COMPARED_KEYS: Final = ("method", "tool")
"""What is compared by default; servers may have other names before and after."""

NEEDED: Final = ("failure", "ms", "proxy_ms", "bytes")
"""The columns that the numbers of a group are made of."""


@dataclass(frozen=True, slots=True)
class Group:
    """The numbers of interactions that belong together.

    Times are milliseconds; they are ``None`` where no interaction of the group has one.

    Attributes:
        key: What they have in common, in the order of the columns that were asked for.
        calls: How many they are.
        errors: How many ended with a JSON-RPC error.
        tool_errors: How many gave a result that says ``isError``.
        unanswered: How many the server never answered.
        p50: Median of the upstream time.
        p90: Its 90th percentile.
        p99: Its 99th percentile.
        max: Its maximum.
        total: Its sum.
        share: What part (0 to 1) of the upstream time of all groups that is.
        bytes: Size of the answers.
        proxy_p50: Median of mcptap's own time.
        proxy_total: Its sum.
    """

    key: tuple[str | None, ...]
    calls: int
    errors: int
    tool_errors: int
    unanswered: int
    p50: float | None
    p90: float | None
    p99: float | None
    max: float | None
    total: float
    share: float
    bytes: int
    proxy_p50: float | None
    proxy_total: float

    @property
    def failed(self) -> int:
        """How many failed, in whichever way."""
        return self.errors + self.tool_errors + self.unanswered

    @property
    def proxy_share(self) -> float:
        """What part (0 to 1) of the whole time, upstream and proxy, is mcptap's own."""
        whole = self.total + self.proxy_total
        return self.proxy_total / whole if 0 < whole < inf else 0.0


def key_sql(key: str) -> str:
    """The SQL of something to group by.

    Raises:
        UsageError: It is neither a column nor a period of time.
    """
    if key in PERIODS:
        return f"strftime(date_trunc('{key}', time), '%Y-%m-%dT%H:%M')"
    if key not in columns.NAMES:
        known = ", ".join((*columns.NAMES, *PERIODS))
        raise UsageError(f"nothing can be grouped by {key!r}", f"take one or more of {known}")
    return f'"{key}"::VARCHAR'


def columns_for(keys: Sequence[str]) -> set[str]:
    """The columns that are needed to group by ``keys``; raises UsageError like `key_sql`."""
    for key in keys:
        key_sql(key)
    return {*NEEDED, *("time" if key in PERIODS else key for key in keys)}


def groups(interactions: duckdb.DuckDBPyRelation, keys: Sequence[str] = DEFAULT_KEYS) -> list[Group]:
    """Group interactions and give the groups, those that took the most time first.

    Args:
        interactions: The interactions, with the columns of `columns_for`.
        keys: What to group by: columns, and of `PERIODS`.

    Raises:
        UsageError: A key can't be grouped by.
    """
    return groups_of(ask(interactions, groups_query(keys)).fetchall(), keys)


def groups_query(keys: Sequence[str]) -> str:
    """The query that gives the rows of `groups_of`, of the interactions ``chosen``.

    Raises:
        UsageError: A key can't be grouped by.
    """
    selected = "".join(f"{key_sql(key)} AS k{place}, " for place, key in enumerate(keys))
    return f"""
        SELECT {selected} count(*), count(*) FILTER (failure = 'error'),
            count(*) FILTER (failure = 'tool error'), count(*) FILTER (failure = 'unanswered'),
            quantile_cont(ms, {list(PERCENTILES.values())}), max(ms), coalesce(sum(ms), 0),
            coalesce(sum(bytes), 0)::BIGINT, quantile_cont(proxy_ms, 0.5), coalesce(sum(proxy_ms), 0)
        FROM chosen GROUP BY ALL
    """


def groups_of(rows: Sequence[tuple[Any, ...]], keys: Sequence[str]) -> list[Group]:
    """The groups that `groups_query` found, in the order of `groups`."""
    total = sum(row[len(keys) + 6] for row in rows)
    made = [_group(row[: len(keys)], row[len(keys) :], total) for row in rows]
    if set(keys) & set(PERIODS):
        return sorted(made, key=lambda group: tuple(part or "" for part in group.key))
    return sorted(made, key=lambda group: (-group.total, tuple(part or "" for part in group.key)))


def _group(key: tuple[str | None, ...], row: Sequence[Any], total: float) -> Group:
    calls, errors, tool_errors, unanswered, percentiles, longest, took, size, proxy_p50, proxy_total = row
    p50, p90, p99 = percentiles if isinstance(percentiles, list) else (None, None, None)
    return Group(
        key=key,
        calls=calls,
        errors=errors,
        tool_errors=tool_errors,
        unanswered=unanswered,
        p50=p50,
        p90=p90,
        p99=p99,
        max=longest,
        total=took,
        share=took / total if 0 < total < inf else 0.0,
        bytes=size,
        proxy_p50=proxy_p50,
        proxy_total=proxy_total,
    )
