"""Whether a request still has the answer that was recorded, listings apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcptap.comparing.finding import Finding
from mcptap.comparing.issued import Issued, without_task_times
from mcptap.comparing.texts import with_json_texts
from mcptap.comparing.values import Ignored, value_findings
from mcptap.matching.canonical import without_volatile
from mcptap.model import Event, Interaction, Json
from mcptap.protocol import STREAM_CLOSED

_WHO: Final[Mapping[str, tuple[str, ...]]] = {"initialize": ("serverInfo",)}
"""Members that say which version of a server answers, which is no difference by itself."""


@dataclass(slots=True)
class Outcome:
    """How a request ended now: by a ``result``, an ``error``, or without an answer and why (``failed``).

    ``events`` are what the server said in it, and ``ms`` is how long it took.
    """

    result: Json | None = None
    error: Json | None = None
    failed: str | None = None
    events: list[Event] = field(default_factory=list)
    ms: float | None = None


def outcome_findings(
    interaction: Interaction, live: Outcome, issued: Issued, ignored: Ignored
) -> Iterator[Finding]:
    """What differs between the recorded answer and the live one.

    Args:
        interaction: The recorded request with its result or error.
        live: How it ended now.
        issued: What the server has made up; it has learned from the live answer already.
        ignored: What to leave out.
    """
    if live.failed is not None:
        yield Finding("breaking", "$", f"no answer: {live.failed}")
    elif interaction.result is not None and live.result is not None:
        method = interaction.method
        recorded = _comparable(method, issued.rebound(method, interaction.result))
        sides = with_json_texts(recorded, _comparable(method, live.result))
        yield from value_findings(*sides, ignored, "the result")
    elif interaction.error is not None and live.error is not None:
        yield from value_findings(interaction.error, live.error, ignored, "the error")
    elif live.error is not None:
        yield Finding("breaking", "$", "an error instead of a result", interaction.result, live.error)
    else:
        yield Finding("difference", "$", "a result instead of an error", interaction.error, live.result)


def asked_findings(
    recorded: Event, params: Json | None, issued: Issued, ignored: Ignored
) -> Iterator[Finding]:
    """What differs in what a server asks its client."""
    method = recorded.method
    issued.learn(method, recorded.params, params)
    before = without_volatile(issued.rebound(method, recorded.params))
    yield from value_findings(before, without_volatile(params), ignored, f"what {method} asks")


def notes_of(interaction: Interaction, live: Outcome) -> Iterator[str]:
    """What is worth to know of an answer and no difference: notifications, and which version answers."""
    before, now = _notifications(interaction.events), _notifications(live.events)
    for method in dict.fromkeys((*before, *now)):
        if before[method] != now[method]:
            yield f"{method}: recorded {before[method]}, live {now[method]}"
    for name in _WHO.get(interaction.method, ()):
        sides = [(result or {}).get(name) for result in (interaction.result, live.result)]
        if None not in sides and sides[0] != sides[1]:
            yield f"{name}: recorded {_version(sides[0])}, live {_version(sides[1])}"


def _comparable(method: str, result: Json) -> dict[str, Any]:
    left_out = _WHO.get(method, ())
    kept = {name: value for name, value in result.items() if name not in left_out}
    comparable: dict[str, Any] = without_task_times(essential_result(kept))
    return comparable


def essential_result(result: Json | None) -> dict[str, Any]:
    """A result without what says nothing: volatile ``_meta``, and that it is a whole one.

    A result without ``resultType`` is a complete one (specification 2026-07-28, "Results").
    """
    kept = without_volatile(result)
    if kept.get("resultType") == "complete":
        del kept["resultType"]
    return kept


def _notifications(events: Iterable[Event]) -> Counter[str]:
    return Counter(
        event.method
        for event in events
        if event.source == "server" and not event.asked and event.method != STREAM_CLOSED
    )


def _version(info: Any) -> str:
    if not isinstance(info, Mapping):
        return "unknown"
    return " ".join(str(info[name]) for name in ("name", "version") if name in info)
