"""One thing that is not as it was recorded, and what was found out about one recorded request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from mcptap.matching.excerpt import shortened
from mcptap.matching.nearest import ABSENT

Severity: TypeAlias = Literal["breaking", "difference", "compatible"]
"""``breaking``: a client that was right may be wrong now. ``compatible``: only more is possible than before,
or it is said in other words. ``difference``: another value, of which nobody can tell."""

SEVERITIES: Final[tuple[Severity, ...]] = ("breaking", "difference", "compatible")
"""From the worst on."""

_NOUNS: Final = {"tools/call": "tool", "prompts/get": "prompt", "resources/read": "resource"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was recorded.

    Attributes:
        severity: How bad it is.
        path: Where, as a JSONPath from the result, the error or the params that it is about.
        text: What it is, in a few words.
        recorded: The recorded value, or `ABSENT`.
        live: The live value, or `ABSENT`.
        about: What of a listing it is about: ``tool search``; ``None`` outside of listings.
    """

    severity: Severity
    path: str
    text: str
    recorded: Any = ABSENT
    live: Any = ABSENT
    about: str | None = None

    def as_json(self, sides: tuple[str, str] = ("recorded", "live")) -> dict[str, Any]:
        """The finding as a JSON object, values shortened; an absent side has no member.

        Args:
            sides: What the members of the two values are called.
        """
        said = {"severity": self.severity, "path": self.path, "text": self.text}
        if self.about is not None:
            said["about"] = self.about
        values = zip(sides, (self.recorded, self.live), strict=True)
        return said | {side: shortened(value) for side, value in values if value is not ABSENT}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about one recorded request.

    Attributes:
        seq: The interaction.
        session: Its session.
        method: Its method.
        target: The tool, prompt or resource that it is about, if it is about one.
        findings: What differs; none where it still holds.
        skipped: Why it was not made, if it wasn't.
        notes: What is worth to know and no difference.
        recorded_ms: How long it took when it was recorded, in milliseconds, and
        live_ms: how long it took now; ``None`` where that is unknown.
    """

    seq: int
    session: int
    method: str
    target: str | None
    findings: tuple[Finding, ...] = ()
    skipped: str | None = None
    notes: tuple[str, ...] = ()
    recorded_ms: float | None = None
    live_ms: float | None = None

    @property
    def state(self) -> Literal["same", "differs", "skipped"]:
        """The verdict in a word."""
        if self.skipped is not None:
            return "skipped"
        return "differs" if self.findings else "same"

    @property
    def about(self) -> str:
        """What it is about, for people: ``tool search``, ``tools/list``."""
        return about(self.method, self.target)

    def as_json(self) -> dict[str, Any]:
        """The verdict as a JSON object; what is unknown has no member."""
        said = {
            "seq": self.seq,
            "session": self.session,
            "method": self.method,
            "target": self.target,
            "verdict": self.state,
            "skipped": self.skipped,
            "findings": [finding.as_json() for finding in self.findings] or None,
            "notes": list(self.notes) or None,
            "recorded_ms": self.recorded_ms,
            "live_ms": None if self.live_ms is None else round(self.live_ms, 3),
        }
        return {name: value for name, value in said.items() if value is not None}


def about(method: str, target: str | None) -> str:
    """What a request is about, for people: ``tool search``; else its method with what it names."""
    if target is None:
        return method
    return f"{_NOUNS.get(method, method)} {target}"
