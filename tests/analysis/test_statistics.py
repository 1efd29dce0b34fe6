"""The numbers of a group are those of numpy on the same data."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from mcptap import open_cassette
from mcptap.analysis import load
from mcptap.analysis.statistics import columns_for, groups
from mcptap.errors import UsageError
from mcptap.model import Interaction
from tests.benchmarks.generated import write


@pytest.fixture(scope="module")
def cassette(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("generated") / "a.jsonl", 20_000)


def test_every_number_is_that_of_numpy(cassette: Path) -> None:
    by_tool = defaultdict[str, list[Interaction]](list)
    for each in open_cassette(cassette).interactions():
        assert each.params
        by_tool[each.params["name"]].append(each)
    keys = ("server", "method", "tool")
    found = {
        group.key[2]: group
        for group in groups(load(cassette, columns=columns_for(keys), views=False).interactions, keys)
    }
    assert found.keys() == by_tool.keys()
    whole = sum(each.ms or 0 for calls in by_tool.values() for each in calls)
    for tool, calls in by_tool.items():
        group = found[tool]
        ms = [each.ms or 0.0 for each in calls]
        assert group.calls == len(calls)
        assert group.errors == sum(each.error is not None for each in calls)
        assert group.tool_errors == sum((each.result or {}).get("isError") is True for each in calls)
        assert [group.p50, group.p90, group.p99] == pytest.approx(np.percentile(ms, [50, 90, 99]).tolist())
        assert group.max == max(ms)
        assert group.total == pytest.approx(np.sum(ms))
        assert group.share == pytest.approx(np.sum(ms) / whole)
        proxy = [each.proxy_ms or 0.0 for each in calls]
        assert group.proxy_p50 == pytest.approx(np.median(proxy))
        assert group.proxy_share == pytest.approx(np.sum(proxy) / (np.sum(proxy) + np.sum(ms)))
    assert [group.total for group in found.values()] == sorted(
        (g.total for g in found.values()), reverse=True
    )


@pytest.mark.parametrize(
    "key",
    [
        "server",
        "method",
        "tool",
        "session",
        "era",
        "file",
        "outcome",
        "minute",
        "hour",
        "day",
        "client",
        "failed",
    ],
)
def test_whatever_it_is_grouped_by_nothing_is_lost(cassette: Path, key: str) -> None:
    found = groups(load(cassette, columns=columns_for([key])).interactions, [key])
    assert sum(group.calls for group in found) == 20_000
    assert sum(group.share for group in found) == pytest.approx(1)


def test_without_a_key_all_is_one_group(cassette: Path) -> None:
    (group,) = groups(load(cassette, columns=columns_for([])).interactions, [])
    assert (group.key, group.calls, group.share) == ((), 20_000, 1)


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(UsageError, match="nothing can be grouped by 'color'"):
        columns_for(["color"])
