"""What counts as too slow: the grammar of ``--fail-if``.

::

    condition  = metric operator number [unit]
    metric     = p50 | p90 | p99 | max | calls | errors | tool_errors | unanswered | bytes | proxy_p50
    operator   = > | >= | < | <=
    unit       = x            times the same number of OLD (needs --compare)
               | us | ms | s  for times, which are milliseconds without a unit
               | %            of the calls, for errors, tool_errors and unanswered
               | B | kB | MB  for bytes
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from mcptap.analysis.statistics import Group
from mcptap.errors import UsageError

_TIMES: Final = ("p50", "p90", "p99", "max", "proxy_p50")
_COUNTS: Final = ("errors", "tool_errors", "unanswered")
METRICS: Final = (*_TIMES, *_COUNTS, "calls", "bytes")

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_UNITS: Final[Mapping[str, tuple[tuple[str, ...], float]]] = {
    "x": (METRICS, 1),
    "us": (_TIMES, 0.001),
    "ms": (_TIMES, 1),
    "s": (_TIMES, 1000),
    "%": (_COUNTS, 0.01),
    "B": (("bytes",), 1),
    "kB": (("bytes",), 1000),
    "MB": (("bytes",), 1_000_000),
    "": (METRICS, 1),
}
_CONDITION: Final = re.compile(r"\s*(\w+)\s*(>=|<=|>|<)\s*(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-z%]*)\s*")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A condition that no group may meet; made by `parse_threshold`.

    Attributes:
        text: How it was written.
        metric: The number of a `Group` that it looks at.
        relative: Whether that is compared with the same number of OLD.
    """

    text: str
    metric: str
    relative: bool
    _operator: str
    _limit: float
    _of_calls: bool

    def met(self, new: Group, old: Group | None = None) -> bool:
        """Whether a group is past it: also where it has lost the number, as where nothing is answered now."""
        value = self.value(new, old)
        return self.lost(new, old) if value is None else _OPERATORS[self._operator](value, self._limit)

    def lost(self, new: Group, old: Group | None = None) -> bool:
        """Whether a group had the number and has none now."""
        return old is not None and getattr(old, self.metric) is not None and getattr(new, self.metric) is None

    def value(self, new: Group, old: Group | None = None) -> float | None:
        """The number that is compared: a ratio where the threshold is relative."""
        value: float | None = getattr(new, self.metric)
        if self.relative:
            before: float | None = getattr(old, self.metric) if old else None
            if value is None or before is None:
                return None
            return value / before if before else (inf if value else 1.0)
        return value / new.calls if self._of_calls and value is not None else value

    def shown(self, new: Group, old: Group | None = None) -> str:
        """That number for people, in the threshold's own unit."""
        value = self.value(new, old)
        if value is None:
            return "none any more" if self.lost(new, old) else "unknown"
        if value == inf and self.relative:
            return f"{self._plain(getattr(new, self.metric))} after 0"
        return f"{value:.2f}x" if self.relative else self._plain(value)

    def _plain(self, value: float) -> str:
        if self._of_calls:
            return f"{value:.1%}"
        unit = " ms" if self.metric in _TIMES else " B" if self.metric == "bytes" else ""
        return f"{value:.{2 if self.metric in _TIMES else 0}f}{unit}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What thresholds say of some groups.

    Attributes:
        past: The groups that are past one, with their old ones.
        unheld: The thresholds that there was nothing to hold against.
    """

    past: Sequence[tuple[Threshold, Group, Group | None]]
    unheld: Sequence[Threshold]

    @property
    def failed(self) -> bool:
        """Whether a gate must not let this through: a server that is dead is past no number."""
        return bool(self.past or self.unheld)


def judge(thresholds: Sequence[Threshold], groups: Iterable[tuple[Group, Group | None]]) -> Judgement:
    """Hold groups, each with its old one where there is one, against thresholds."""
    past = []
    held = set()
    for new, old in groups:
        for threshold in thresholds:
            if threshold.met(new, old):
                past.append((threshold, new, old))
            if threshold.value(new, old) is not None or threshold.lost(new, old):
                held.add(threshold)
    return Judgement(past, [threshold for threshold in thresholds if threshold not in held])


def parse_threshold(text: str) -> Threshold:
    """Parse a condition of ``--fail-if``.

    Raises:
        UsageError: It is none; the message says why.
    """
    match = _CONDITION.fullmatch(text)
    if not match:
        raise UsageError(
            f"{text!r} is no condition", "write it like 'p99 > 1.2x', 'p99 > 50ms' or 'errors > 0'"
        )
    metric, compared, number, unit = match.groups()
    if metric not in METRICS:
        raise UsageError(f"there is no metric {metric!r} in {text!r}", f"take one of {', '.join(METRICS)}")
    metrics, factor = _UNITS.get(unit, ((), 0.0))
    if metric not in metrics:
        units = [name for name, (of, _) in _UNITS.items() if metric in of and name]
        raise UsageError(
            f"{metric} has no unit {unit!r} in {text!r}", f"take one of {', '.join(units)}, or none"
        )
    return Threshold(text.strip(), metric, unit == "x", compared, float(number) * factor, unit == "%")
