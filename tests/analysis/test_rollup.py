"""Merged histograms give the percentiles of the whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcptap.analysis import load
from mcptap.analysis.rollup import merge, rollup
from mcptap.analysis.statistics import groups
from tests.benchmarks.generated import write


def test_percentiles_of_merged_roll_ups_are_those_of_all_calls_to_three_digits(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{seed}.jsonl", 6000, seed=seed, slowdown=seed) for seed in (1, 2, 3)]
    rollups = [json.loads(json.dumps(row)) for path in paths for row in rollup(load(path).interactions)]
    merged = {row["tool"]: row for row in merge(rollups, ["tool"])}
    for group in groups(load(paths).interactions, ["tool"]):
        row = merged[group.key[0]]
        assert row["calls"] == group.calls
        assert row["failed"] == group.errors + group.tool_errors
        assert row["p50"] == pytest.approx(group.p50, rel=0.03)  # ranks are rounded, values to 0.1 %
    whole = groups(load(paths).interactions, [])[0]
    (everything,) = merge(rollups, [])
    for name in ("p50", "p90", "p99"):
        assert everything[name] == pytest.approx(getattr(whole, name), rel=0.002)


def test_requests_that_were_never_answered_have_no_percentile() -> None:
    row = {"tool": "x", "calls": 1, "failed": 1, "histogram": rollup_of_nothing()}
    assert merge([row], ["tool"]) == [
        {"tool": "x", "calls": 1, "failed": 1, "p50": None, "p90": None, "p99": None}
    ]


def rollup_of_nothing() -> str:
    from hdrh.histogram import HdrHistogram  # noqa: PLC0415

    return str(HdrHistogram(1, 24 * 3600 * 1_000_000, 3).encode().decode())
