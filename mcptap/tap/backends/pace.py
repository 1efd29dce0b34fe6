"""When what happened in a recorded interaction is due in its replay (CASSETTE.md, "Matching", rule 6)."""

from __future__ import annotations

import math
from typing import TypeAlias

import anyio

from mcptap.errors import UsageError

Timing: TypeAlias = str | float
"""``none``: everything at once; ``recorded``: after the recorded times; a number: so many times those."""


def parse_timing(timing: Timing) -> float:
    """How many times the recorded delays a replay takes; 0 for none.

    Raises:
        UsageError: It is no such number.
    """
    named = {"none": 0.0, "recorded": 1.0}
    try:
        factor = named[timing] if timing in named else float(timing)
    except (TypeError, ValueError):
        factor = math.nan
    if not 0 <= factor < math.inf:
        raise UsageError(f"{timing!r} is no timing", "write none, recorded, or a factor such as 0.5")
    return factor


class Pace:
    """The times of one interaction, from the arrival of its request, which is now.

    Each request has its own, so what was asked in parallel takes as long as the slowest.

    Args:
        factor: How many times the recorded delays it takes; 0 waits for nothing.
    """

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._began = anyio.current_time() if factor else 0.0

    async def until(self, at_ms: float) -> None:
        """Wait for what was recorded ``at_ms`` after the request."""
        if self._factor:
            await anyio.sleep_until(self._began + at_ms * self._factor / 1000)

    def resumed(self, at_ms: float) -> None:
        """Learn that the client does now what it had done at ``at_ms``: the rest counts from that."""
        if self._factor:
            self._began = anyio.current_time() - at_ms * self._factor / 1000
