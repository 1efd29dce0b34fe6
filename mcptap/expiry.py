"""When a recording is too old to be trusted, and what happens then."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

from mcptap.errors import UsageError
from mcptap.model import CassetteHeader

Expired: TypeAlias = Literal["warn", "error", "re-record"]
"""What to do with a recording that has expired: say so, refuse it, or record it again."""

EXPIRED: Final[tuple[Expired, ...]] = ("warn", "error", "re-record")

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def lifetime_of(text: str | timedelta) -> timedelta:
    """Read how long a recording holds: a number with ``m``, ``h``, ``d`` or ``w``, such as ``30d``.

    Raises:
        UsageError: It is something else.
    """
    if isinstance(text, timedelta):
        return text
    found = re.fullmatch(r"\s*([0-9]+)\s*([mhdw])\s*", text)
    if found is None:
        raise UsageError(f"{text!r} is no time that a recording can hold", "write it like 12h, 30d or 8w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def overdue(header: CassetteHeader, lifetime: timedelta, now: datetime) -> timedelta | None:
    """How long ago a recording has expired; ``None`` where it still holds.

    Args:
        header: The recording's.
        lifetime: How long it holds from ``recorded_at`` on: what was appended later is younger.
        now: The time, with its zone.

    Raises:
        UsageError: It doesn't know when it was recorded.
    """
    recorded_at = datetime.fromisoformat(header.recorded_at)
    if recorded_at == _EPOCH:
        raise UsageError("a normalized recording has no date, so it can't expire", "take expires_in away")
    late = now - recorded_at - lifetime
    return late if late > timedelta() else None
