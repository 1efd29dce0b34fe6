"""Putting telemetry around a tap, where there is any; without it nothing here costs a request anything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mcptap.exchange import Backend
from mcptap.recorder import Recorder
from mcptap.tap.backends.fallback import Fallback
from mcptap.tap.backends.live import LiveBackend
from mcptap.tap.backends.recorded import Recorded

if TYPE_CHECKING:
    from mcptap.tap.app import Tap
    from mcptap.tap.hop import Observe
    from mcptap.telemetry.metrics import Instruments
    from mcptap.telemetry.telemetry import Telemetry


def observing(tap: Tap, backend: Backend, recorder: Recorder | None) -> tuple[Backend, Observe | None]:
    """Have what goes through a tap traced and measured.

    Args:
        tap: The tap.
        backend: What answers; what it has of the real server is traced in it.
        recorder: What records, if anything does.

    Returns:
        The backend to ask instead, and what stands around everything that a client sends, if anything does.
    """
    from mcptap.telemetry.telemetry import of_application  # noqa: PLC0415 - not before the tap runs

    telemetry = tap.telemetry if tap.telemetry is not None else of_application()
    if not telemetry.on:
        return backend, None
    from mcptap.telemetry.content import redact_by  # noqa: PLC0415 - only if it is on
    from mcptap.telemetry.hops import MeasuredSessions  # noqa: PLC0415 - only if it is on
    from mcptap.telemetry.spans import ClientSpans, Scene  # noqa: PLC0415

    telemetry = replace(telemetry, redact=redact_by(tap.redactors, tap.target))
    scene = Scene(
        telemetry,
        relayed=tap.player is None,
        recorded_to=tap.recorded_to if recorder is not None else None,
        replayed_from=tap.replayed_from,
    )
    if telemetry.instruments is not None:
        _watch(telemetry.instruments, tap, backend, recorder)
    return MeasuredSessions(_with_hops(backend, telemetry), telemetry), ClientSpans(scene)


def _with_hops(backend: Backend, telemetry: Telemetry) -> Backend:
    """The backend, with the real server in it behind a hop that is traced."""
    from mcptap.telemetry.hops import TracedHop  # noqa: PLC0415 - only if it is on

    match backend:
        case LiveBackend():
            return TracedHop(backend, telemetry, backend.upstream.target)
        case Fallback():
            backend.live = _with_hops(backend.live, telemetry)
        case Recorded():  # what it records is what goes over the wire but for the context
            backend.backend = _with_hops(backend.backend, telemetry)
    return backend


def _watch(instruments: Instruments, tap: Tap, backend: Backend, recorder: Recorder | None) -> None:
    from mcptap.telemetry import conventions as names  # noqa: PLC0415 - only if it is on

    if recorder is not None:
        instruments.watch_recorder(recorder)
    if (player := tap.player) is not None:
        instruments.watch(names.REPLAY_MISSES, lambda: player.missed)
    live = backend.live if isinstance(backend, Fallback) else backend
    live = live.backend if isinstance(live, Recorded) else live
    if isinstance(live, LiveBackend):
        instruments.watch(names.UPSTREAM_RECONNECTS, lambda: live.reconnects)
