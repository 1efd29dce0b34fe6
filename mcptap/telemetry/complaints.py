"""Saying what goes wrong with telemetry: one line a minute, and in the end what has come of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

_BETWEEN_LINES: Final = 60.0


class Pace:
    """Lets a line pass if none has in the last minute.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._passed: float | None = None
        self._lock = threading.Lock()

    def passes(self) -> bool:
        """Whether a line may be said now; then the next one may not for a minute."""
        with self._lock:
            now = self._clock()
            if self._passed is not None and now - self._passed < _BETWEEN_LINES:
                return False
            self._passed = now
            return True


_pace: Final = Pace()


class Complaints:
    """Says what goes wrong, at most once a minute.

    Args:
        report: Takes the line.
        service: Whose telemetry it is, where mcptap stands for several services.
        pace: Holds lines back; all complaints of a process have one.
    """

    def __init__(self, report: Callable[[str], None], service: str | None = None, pace: Pace = _pace) -> None:
        self._report = report
        self._beginning = "telemetry" if service is None else f"telemetry of {service}"
        self._pace = pace
        self._summing_up = False

    def say(self, line: str) -> None:
        """Say it, unless something was said in the last minute, or all is summed up in the end."""
        if not self._summing_up and self._pace.passes():
            self._report(f"{self._beginning}: {line}")

    def sum_up(self) -> None:
        """Say nothing any more until `conclude`: what fails now is part of that."""
        self._summing_up = True

    def conclude(self, line: str) -> None:
        """Say it whatever was said before."""
        self._report(f"{self._beginning}: {line}")
