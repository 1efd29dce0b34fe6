"""How sure a percentile is: the bootstrap, without drawing a sample.

A bootstrap percentile is a function of two neighbouring order statistics of a sample that is drawn with
replacement from the values at hand. Order statistics of n draws are the values at ranks that follow a
beta distribution: the k-th of n uniform numbers is Beta(k, n - k + 1), and given that, the next is the
least of the n - k that are left (David and Nagaraja, "Order Statistics", section 2). So two random
numbers do the work of n, whatever n is, and the law is the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

REPLICATES: Final = 2000
LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Change:
    """How a percentile changed, as a ratio (1.2 is 20 % more).

    Attributes:
        old: The percentile before.
        new: The percentile after.
        low: Where the confidence interval of new / old begins.
        high: Where it ends.
    """

    old: float
    new: float
    low: float
    high: float

    @property
    def ratio(self) -> float:
        """``new / old``; infinite where the old one is 0 and the new one isn't."""
        return _ratio(self.new, self.old)

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out "no change"."""
        return not self.low <= 1 <= self.high


def percentile(ordered: Sequence[float], part: float) -> float:
    """The percentile of values in ascending order, interpolated linearly; ``part`` is 0 to 1.

    Raises:
        ValueError: There are no values.
    """
    if not ordered:
        raise ValueError("no values have no percentile")
    place = part * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def change(
    old: Sequence[float],
    new: Sequence[float],
    part: float,
    *,
    chance: Random,
    level: float = LEVEL,
    replicates: int = REPLICATES,
) -> Change:
    """The change of a percentile between two independent samples, with its percentile bootstrap interval.

    Args:
        old: Values before, in ascending order; at least one.
        new: Values after, in ascending order; at least one.
        part: Which percentile: 0 to 1.
        chance: Where random numbers come from.
        level: How much the interval is to hold: 0.95 for 95 %.
        replicates: How many pairs of samples to draw.

    Raises:
        ValueError: One of the samples is empty.
    """
    before, after = percentile(old, part), percentile(new, part)
    ratios = sorted(
        _ratio(resampled(new, part, chance), resampled(old, part, chance)) for _ in range(replicates)
    )
    outside = (1 - level) / 2
    return Change(before, after, _at(ratios, outside), _at(ratios, 1 - outside))


def resampled(ordered: Sequence[float], part: float, chance: Random) -> float:
    """The percentile of one bootstrap sample of ``ordered``: as many values, drawn with replacement."""
    count = len(ordered)
    place = part * (count - 1)
    below = math.floor(place)
    rank = chance.betavariate(below + 1, count - below)
    value = ordered[min(int(rank * count), count - 1)]
    if place == below:
        return value
    left = count - below - 1
    rank += (1 - rank) * (1 - (1 - chance.random()) ** (1 / left))
    above = ordered[min(int(rank * count), count - 1)]
    return value + (above - value) * (place - below)


def _at(ratios: Sequence[float], part: float) -> float:
    """Like `percentile`, for ratios that may be infinite."""
    place = part * (len(ratios) - 1)
    nearest = ratios[round(place)]
    return nearest if math.isinf(ratios[math.ceil(place)]) else percentile(ratios, part)


def _ratio(new: float, old: float) -> float:
    if old:
        return new / old
    return math.inf if new else 1.0
