"""The end of telemetry, which a collector that is away must not hold up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from mcptap.telemetry.sending import Delivery, WatchedMetrics, counted

_LAST_CHANCE: Final = 0.75
_LEAST_CHANCE: Final = 0.35


def sum_up(deliveries: Sequence[Delivery], metrics: Sequence[WatchedMetrics]) -> str:
    """What has not arrived in the end, where it should have, and why; empty if all has."""
    dropped = sum(delivery.dropped for delivery in deliveries)
    unsent = [each.trouble for each in metrics if each.trouble]
    troubles = [*(each.trouble for each in deliveries if each.dropped), *unsent]
    if not troubles:
        return ""
    what = [*([counted(dropped)] if dropped else []), *(["the last metrics"] if unsent else [])]
    verb = "was" if what == ["1 span"] else "were"
    return f"{' and '.join(what)} {verb} dropped: {troubles[0]}"


class Ending:
    """The end, which begins when the clients have left: while the server ends, what there is can be sent.

    Args:
        deliveries: What there is of spans.
        clock: Seconds, monotonic.
    """

    def __init__(self, deliveries: Sequence[Delivery], clock: Callable[[], float] = time.monotonic) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._began: float | None = None

    def begin(self) -> None:
        """Begin it, if it has not begun."""
        if self._began is None:
            self._began = self._clock()
            for delivery in self._deliveries:
                delivery.hurry()

    def patience(self) -> float:
        """How many seconds it may go on."""
        over = 0.0 if self._began is None else self._clock() - self._began
        return max(_LEAST_CHANCE, _LAST_CHANCE - over)


def end_soon(shutdowns: Sequence[Callable[[], object]], patience: float = _LAST_CHANCE) -> bool:
    """Shut down what may hang: each by a daemon thread, all within ``patience`` seconds.

    The SDK's own shutdown waits for a collector that is away for up to 19 s, whatever its timeout says.

    Returns:
        Whether all have come to their end.
    """
    threads = [threading.Thread(target=shutdown, daemon=True) for shutdown in shutdowns]
    until = time.monotonic() + patience
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
