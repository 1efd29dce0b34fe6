"""What a cassette holds, as frozen values. `mcptap.cassette.format` knows how they look in the file.

``params``, ``result`` and ``error`` are the wire's own JSON objects; ``None`` means that the member
was absent. Times are seconds (``at``) or milliseconds (``at_ms``, ``ms``, ``proxy_ms``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Mapping[str, Any]
Era: TypeAlias = Literal["handshake", "modern"]
Outcome: TypeAlias = Literal["cancelled", "disconnected", "unanswered"]
Side: TypeAlias = Literal["client", "server"]


@dataclass(frozen=True, slots=True)
class Target:
    """The real server of a recording: its name, how it was reached and what was started or called.

    ``transport`` is ``stdio``, ``http``, ``sse``, ``ws`` or ``memory``; ``target`` is the argv or the URL.
    """

    name: str
    transport: str
    target: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CassetteHeader:
    """The first line of a cassette. ``recorded_at`` is RFC 3339 in UTC with milliseconds.

    ``redaction`` names the rules that were applied (see `mcptap.redaction.rules.parse_rules`), and
    ``salt`` is what their placeholders are keyed by.
    """

    id: str
    recorded_at: str
    by: str
    upstream: Target | None = None
    redaction: tuple[str, ...] = ()
    salt: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class SessionStart:
    """A client session opened. ``started_at`` is the wall clock of the run that it belongs to."""

    session: int
    at: float
    era: Era
    transport: str
    client: Json | None
    started_at: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened inside an interaction, ``at_ms`` after the request arrived.

    A server-to-client request also has the client's ``result`` or ``error`` and the time it took: only
    that time, where the client never answered.
    """

    at_ms: float
    source: Side
    method: str
    params: Json | None = None
    result: Json | None = None
    error: Json | None = None
    ms: float | None = None

    @property
    def asked(self) -> bool:
        """Whether this was a server-to-client request and no notification."""
        return self.ms is not None or self.answered

    @property
    def answered(self) -> bool:
        """Whether this was a server-to-client request that the client answered."""
        return self.result is not None or self.error is not None


@dataclass(frozen=True, slots=True)
class Interaction:
    """A request with its outcome: exactly one of ``result``, ``error`` and ``outcome`` is set.

    ``ms`` runs from sending the request upstream to receiving its answer; ``proxy_ms`` is mcptap's
    own time on it. ``seq`` is given at arrival.
    """

    seq: int
    session: int
    at: float
    method: str
    params: Json | None = None
    ms: float | None = None
    proxy_ms: float | None = None
    result: Json | None = None
    error: Json | None = None
    outcome: Outcome | None = None
    events: tuple[Event, ...] = ()
    trace_id: str | None = None
    span_id: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A notification or a server request outside any request; a server request as in an `Event`.

    ``at`` is when it was over: sent, or answered.
    """

    session: int
    at: float
    source: Side
    method: str
    params: Json | None = None
    result: Json | None = None
    error: Json | None = None
    ms: float | None = None

    @property
    def asked(self) -> bool:
        """Whether this was a server request and no notification."""
        return self.ms is not None or self.answered

    @property
    def answered(self) -> bool:
        """Whether this was a server request that the client answered."""
        return self.result is not None or self.error is not None


@dataclass(frozen=True, slots=True)
class Gap:
    """``lost`` lines could not be written, for the reason ``why``."""

    at: float
    lost: int
    why: str


Record: TypeAlias = SessionStart | Interaction | Message | Gap
"""What a reader yields: one value a joined line."""
