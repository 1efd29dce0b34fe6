"""Percentiles of what is in many places: HdrHistogram, which can be merged where percentiles can't.

A roll-up is one row a group with its histogram, small enough to keep for ever and to send around; merged
percentiles are exact to three significant digits. (Needs hdrhistogram: ``pip install mcptap[notebook]``.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import duckdb
from hdrh.histogram import HdrHistogram

from mcptap.analysis.asking import ask
from mcptap.analysis.statistics import DEFAULT_KEYS, PERCENTILES, key_sql

_LONGEST_US: Final = 24 * 3600 * 1_000_000
_DIGITS: Final = 3
_PER_MS: Final = 1000


def rollup(interactions: duckdb.DuckDBPyRelation, keys: Sequence[str] = DEFAULT_KEYS) -> list[dict[str, Any]]:
    """One row a group: its key, ``calls``, ``failed`` and ``histogram`` (base64, microseconds).

    Raises:
        UsageError: A key can't be grouped by.
    """
    named = "".join(f'{key_sql(key)} AS "{key}", ' for key in keys)
    counted = ask(
        interactions,
        f"""
        WITH timed AS (
            SELECT {named} failed, round(least(ms * {_PER_MS}, {_LONGEST_US}))::BIGINT AS us FROM chosen
        ), counted AS (
            SELECT * EXCLUDE (failed), count(*) AS calls, count(*) FILTER (failed) AS failed
            FROM timed GROUP BY ALL
        )
        SELECT * EXCLUDE (us, calls, failed), sum(calls)::BIGINT, sum(failed)::BIGINT,
            list({{'us': us, 'calls': calls}}) FILTER (us IS NOT NULL)
        FROM counted GROUP BY ALL
        """,
    ).fetchall()
    rows = []
    for *key, calls, failed, times in counted:
        histogram = HdrHistogram(1, _LONGEST_US, _DIGITS)
        for time in times or ():
            histogram.record_value(min(max(time["us"], 1), _LONGEST_US), time["calls"])
        named_key = dict(zip(keys, key, strict=True))
        rows.append({**named_key, "calls": calls, "failed": failed, "histogram": histogram.encode().decode()})
    return rows


def merge(rollups: Iterable[dict[str, Any]], keys: Sequence[str] = DEFAULT_KEYS) -> list[dict[str, Any]]:
    """One row for each group of many roll-ups: its key, ``calls``, ``failed`` and percentiles (ms).

    ``keys`` may be fewer than the roll-ups were made by.
    """
    histograms: dict[tuple[Any, ...], HdrHistogram] = {}
    counts: dict[tuple[Any, ...], list[int]] = {}
    for row in rollups:
        key = tuple(row[name] for name in keys)
        histograms.setdefault(key, HdrHistogram(1, _LONGEST_US, _DIGITS)).decode_and_add(row["histogram"])
        count = counts.setdefault(key, [0, 0])
        count[0] += row["calls"]
        count[1] += row["failed"]
    return [
        {
            **dict(zip(keys, key, strict=True)),
            "calls": counts[key][0],
            "failed": counts[key][1],
            **{
                name: histogram.get_value_at_percentile(part * 100) / _PER_MS
                if histogram.total_count
                else None
                for name, part in PERCENTILES.items()
            },
        }
        for key, histogram in histograms.items()
    ]
