"""Spans on their way from the requests to the thread that sends them.

The specification's batching processor ("Tracing SDK", Batching processor; ``OTEL_BSP_*``). The SDK's
looks at every span before it takes it, which costs a request more than ending the span does.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mcptap.telemetry.direct import DirectSpan


@dataclass(frozen=True, slots=True)
class Limits:
    """How spans are gathered.

    Attributes:
        waiting: How many may wait; those beyond are dropped.
        together: How many are sent at once.
        delay: How long a span may wait, in seconds.
    """

    waiting: int = 2048
    together: int = 512
    delay: float = 5.0


def limits_of(environment: Mapping[str, str]) -> Limits:
    """What the variables ask for.

    Raises:
        ValueError: One of them is no number that can be meant.
    """
    waiting = positive(environment, "OTEL_BSP_MAX_QUEUE_SIZE", 2048)
    together = positive(environment, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(512, waiting))
    if together > waiting:
        raise ValueError("OTEL_BSP_MAX_EXPORT_BATCH_SIZE is more than OTEL_BSP_MAX_QUEUE_SIZE")
    return Limits(waiting, together, positive(environment, "OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000)


def positive(environment: Mapping[str, str], variable: str, default: int) -> int:
    """What a variable says.

    Raises:
        ValueError: It is no number that can be meant.
    """
    text = environment.get(variable, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{variable} {text!r} is no positive whole number")
    return int(text)


class Batching:
    """Gathers spans, and has a thread of its own send them.

    Args:
        send: Sends some; called from that thread alone, and must not raise.
        limits: How they are gathered.

    Attributes:
        taken: How many spans there were, with those that were dropped.
    """

    def __init__(self, send: Callable[[Sequence[DirectSpan]], None], limits: Limits) -> None:
        self._send = send
        self._delay = limits.delay
        self._most, self._together = limits.waiting, limits.together
        self._waiting: deque[DirectSpan] = deque()
        self._awake = threading.Event()
        self._ending = False
        self._hurried = False
        self.taken = 0
        self._thread = threading.Thread(target=self._work, name="mcptap-spans", daemon=True)
        self._thread.start()

    def take(self, span: DirectSpan) -> None:
        """Take a span that has ended; drop it if too many wait already."""
        self.taken += 1
        waiting = len(self._waiting)
        if waiting < self._most:
            self._waiting.append(span)
            if waiting + 1 == self._together:
                self._awake.set()

    def hurry(self) -> None:
        """Have what waits sent now, without waiting for that."""
        self._hurried = True
        self._awake.set()

    def shutdown(self) -> None:
        """Send what is left; it may take as long as ``send`` likes."""
        self._ending = True
        self._awake.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ending:
            full = self._awake.wait(self._delay)
            self._awake.clear()
            if (self._hurried or not full) and not self._ending:
                self._hurried = False
                self._send_some()
            while len(self._waiting) >= self._together:
                self._send_some()
        while self._waiting:
            self._send_some()

    def _send_some(self) -> None:
        count = min(len(self._waiting), self._together)
        if count:
            self._send([self._waiting.popleft() for _ in range(count)])
