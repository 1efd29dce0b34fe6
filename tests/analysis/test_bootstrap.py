"""Percentiles are numpy's, and the interval holds the truth as often as it says."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcptap.analysis.bootstrap import change, percentile, resampled

PARTS = (0.5, 0.9, 0.99)


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.999, 1.0])
)
def test_a_percentile_is_the_one_of_numpy(values: list[float], part: float) -> None:
    values.sort()
    assert percentile(values, part) == pytest.approx(np.percentile(values, part * 100), rel=1e-9, abs=1e-9)


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("count", [1, 2, 7, 60])
def test_resampling_follows_the_law_of_drawing_with_replacement(part: float, count: int) -> None:
    chance = Random(count)
    ordered = sorted(chance.lognormvariate(1, 1) for _ in range(count))
    ours = [resampled(ordered, part, chance) for _ in range(20_000)]
    generator = np.random.default_rng(count)
    drawn = generator.choice(ordered, size=(20_000, count))
    theirs = np.percentile(drawn, part * 100, axis=1)
    # The distance of Kolmogorov and Smirnov, on the grid of their values.
    grid = np.unique(theirs)
    distance = np.abs(
        np.searchsorted(np.sort(ours), grid + 1e-9) - np.searchsorted(np.sort(theirs), grid + 1e-9)
    ).max()
    assert distance / 20_000 < 1.95 * math.sqrt(2 / 20_000)  # p = 0.001


@pytest.mark.parametrize(("part", "count"), [(0.5, 200), (0.9, 400), (0.99, 3000)])
def test_the_interval_holds_the_true_change_as_often_as_it_says(part: float, count: int) -> None:
    chance = Random(int(part * 100))
    true, held, trials = 1.3, 0, 400
    for _ in range(trials):
        old = sorted(chance.lognormvariate(2, 0.5) for _ in range(count))
        new = sorted(true * chance.lognormvariate(2, 0.5) for _ in range(count))
        made = change(old, new, part, chance=chance, replicates=400)
        held += made.low <= true <= made.high
    assert 0.91 <= held / trials <= 0.985


def test_the_same_recording_has_not_changed() -> None:
    values = sorted(Random(1).lognormvariate(2, 0.5) for _ in range(500))
    made = change(values, values, 0.9, chance=Random(2))
    assert made.ratio == 1
    assert not made.certain


def test_nothing_to_something_is_infinite() -> None:
    made = change([0.0, 0.0], [1.0, 1.0], 0.5, chance=Random(1))
    assert (made.ratio, made.low, made.high) == (math.inf, math.inf, math.inf)
    assert change([0.0], [0.0], 0.5, chance=Random(1)).ratio == 1
