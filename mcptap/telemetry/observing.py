"""Putting telemetry around a tap, where there is any; without it nothing here costs a request anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mcptap.exchange import Backend
from mcptap.recorder import Recorder

if TYPE_CHECKING:
    from mcptap.tap.app import Tap
    from mcptap.telemetry.metrics import Instruments


@contextlib.contextmanager
def observing(tap: Tap, backend: Backend, recorder: Recorder | None) -> Iterator[Backend]:
    """Trace and measure what goes through a tap, until the context is left.

    Args:
        tap: The tap. Its middleware gets one more, outermost, so that a recorder knows the span.
        backend: What answers.
        recorder: What records, if anything does.

    Yields:
        The backend to ask instead.
    """
    from mcptap.telemetry.telemetry import of_application  # noqa: PLC0415 - not before the tap runs

    telemetry = tap.telemetry if tap.telemetry is not None else of_application()
    if not telemetry.on:
        yield backend
        return
    from mcptap.telemetry.content import redact_by  # noqa: PLC0415 - only if it is on
    from mcptap.telemetry.hops import MeasuredSessions, TracedHop  # noqa: PLC0415 - only if it is on
    from mcptap.telemetry.spans import Scene, TelemetryMiddleware  # noqa: PLC0415

    telemetry.redact = redact_by(tap.redactors, tap.target)
    live = tap.player is None
    scene = Scene(
        telemetry,
        relayed=live,
        recorded_to=tap.recorded_to if recorder is not None else None,
        replayed_from=tap.replayed_from,
    )
    if telemetry.instruments is not None:
        _watch(telemetry.instruments, tap, backend, recorder)
    middleware = TelemetryMiddleware(scene)
    tap.middleware.insert(0, middleware)
    try:
        yield MeasuredSessions(TracedHop(backend, telemetry, tap.target) if live else backend, telemetry)
    finally:
        tap.middleware.remove(middleware)


def _watch(instruments: Instruments, tap: Tap, backend: Backend, recorder: Recorder | None) -> None:
    from mcptap.tap.backends.live import LiveBackend  # noqa: PLC0415 - only if it is on
    from mcptap.telemetry import conventions as names  # noqa: PLC0415

    if recorder is not None:
        instruments.watch(names.RECORDED_INTERACTIONS, lambda: recorder.recorded)
        instruments.watch(names.RECORDED_BYTES, lambda: recorder.written_bytes)
        instruments.watch(names.RECORDING_GAPS, lambda: recorder.lost)
    if (player := tap.player) is not None:
        instruments.watch(names.REPLAY_MISSES, lambda: player.missed)
    if isinstance(backend, LiveBackend):
        instruments.watch(names.UPSTREAM_RECONNECTS, lambda: backend.reconnects)
