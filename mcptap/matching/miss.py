"""A request that the cassette has no answer to, with everything that helps to find out why."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from mcptap.matching.canonical import canonical, essential, without_volatile
from mcptap.matching.excerpt import printable, shortened
from mcptap.matching.nearest import Difference, difference, nearest, render
from mcptap.model import Era, Event, Interaction, Json, Message
from mcptap.protocol import MISS, target_of

_PATHS_IN_SENTENCE: Final = 3
_METHODS_IN_ADVICE: Final = 12

_RECORD_IT: Final = (
    "Record it: send the request through `mcptap record` into the same cassette, which appends to it."
)


class Reason(enum.StrEnum):
    """Why a request is a miss."""

    NO_ENTRY = "no cassette entry for the method"
    OTHER_PARAMS = "same method but different params"
    ANSWER_DIFFERS = "answer to a server request differs"


@dataclass(frozen=True, slots=True)
class Nearest:
    """The recorded request that is nearest to the live one, by its ``seq``, and what differs.

    ``seq`` is ``None`` for what a server asked outside any request.
    """

    seq: int | None
    params: Json | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Miss:
    """A request without a recorded answer (CASSETTE.md, "A miss").

    Attributes:
        method: The method of the client's request.
        params: Its params.
        reason: Why it is a miss.
        sentence: The whole of it in one sentence.
        nearest: The nearest recorded request; ``None`` where the method was never recorded.
        advice: What to do about it, one sentence or two each.
    """

    method: str
    params: Json | None
    reason: Reason
    sentence: str
    nearest: Nearest | None
    advice: tuple[str, ...]

    def error(self) -> Json:
        """The JSON-RPC error that the client gets, its data shortened to a readable size."""
        data: dict[str, Any] = {"request": _request(self.method, self.params), "reason": str(self.reason)}
        if self.nearest is not None:
            if self.nearest.seq is not None:
                data["nearest"] = {"seq": self.nearest.seq} | _params(self.nearest.params)
            data["diff"] = [field.as_json() for field in self.nearest.differences]
        return {"code": MISS, "message": self.sentence, "data": data | {"advice": list(self.advice)}}

    def text(self) -> str:
        """The explanation for a person, over several lines; safe for a terminal."""
        lines = [f"miss: {self.sentence}"]
        if self.nearest is not None:
            seq = self.nearest.seq
            what = "what differs" if seq is None else f"nearest recorded request: interaction {seq}"
            lines.append(f"  {what}")
            lines += [f"    {line}" for line in render(self.nearest.differences).splitlines()]
        lines.append("  what to do:")
        lines += [f"    {number}. {advice}" for number, advice in enumerate(self.advice, 1)]
        return "\n".join(lines)


def not_recorded(
    era: Era,
    method: str,
    params: Json | None,
    *,
    candidates: Iterable[Interaction],
    recorded: Iterable[tuple[Era, str]],
) -> Miss:
    """The miss of a request that was never recorded: not its method, or only with other params.

    Args:
        era: The era of the client.
        method: The method of the live request.
        params: Its params.
        candidates: What was recorded of the method in that era; read as far as `nearest` wants them.
        recorded: The eras and methods that the cassette has.
    """
    found = nearest(method, params, ((candidate.seq, candidate.params) for candidate in candidates))
    if found is None:
        sentence = f"The cassette has no entry for {_named(method)} in the {era} era."
        advice = (*_where_to_look(era, method, set(recorded)), _RECORD_IT)
        return Miss(method, params, Reason.NO_ENTRY, sentence, None, advice)
    seq, recorded_params = found
    differences = difference(essential(method, recorded_params), essential(method, params))
    sentence = (
        f"The cassette has no {_named(method, target_of(method, params))} with these params; "
        f"the nearest, interaction {seq}, differs in {_paths(differences)}."
    )
    advice = (f"If the client should ask as it did in interaction {seq}, correct the client.", _RECORD_IT)
    closest = Nearest(seq, recorded_params, differences)
    return Miss(method, params, Reason.OTHER_PARAMS, sentence, closest, advice)


def answer_differs(interaction: Interaction | None, event: Event | Message, live: Json) -> Miss | None:
    """The miss of a client that answers a server request otherwise than it did in the recording.

    Args:
        interaction: The recorded interaction that is being played; ``None`` outside any.
        event: Its server request, with the recorded answer; none where the client never gave one.
        live: The client's answer now: ``{"result": …}`` or ``{"error": …}``.

    Returns:
        ``None`` where the answer is the recorded one, volatile ``_meta`` aside.
    """
    recorded = {"result": event.result, "error": event.error}
    left, right = _answer(recorded), _answer(live)
    if canonical(left) == canonical(right):
        return None
    differences = difference(left, right)
    asked = _named(event.method)
    where = "outside any request" if interaction is None else f"interaction {interaction.seq}"
    sentence = (
        f"The client's answer to {asked} differs from the recorded one ({where}) in {_paths(differences)}, "
        "so what the server would do next is unknown."
    )
    advice = (
        f"Let the client answer {asked} as it did in the recording.",
        "Or record the session again with the client as it is now.",
    )
    request = event if interaction is None else interaction
    closest = Nearest(None if interaction is None else interaction.seq, request.params, differences)
    return Miss(request.method, request.params, Reason.ANSWER_DIFFERS, sentence, closest, advice)


def _where_to_look(era: Era, method: str, recorded: set[tuple[Era, str]]) -> list[str]:
    names = sorted(name for known_era, name in recorded if known_era == era)
    has = _listed(names, _METHODS_IN_ADVICE) or "nothing"
    advice = [f"Check that this is the cassette of the right server; in the {era} era it has {has}."]
    other: Era = "handshake" if era == "modern" else "modern"
    if (other, method) in recorded:
        advice.append(f"Or use a client of the {other} era, for which the cassette has {_named(method)}.")
    return advice


def _answer(answer: Json) -> dict[str, Any]:
    return {member: without_volatile(value) for member, value in answer.items() if value is not None}


def _request(method: str, params: Json | None) -> dict[str, Any]:
    return {"method": method} | _params(params)


def _params(params: Json | None) -> dict[str, Any]:
    return {} if params is None else {"params": shortened(params)}


def _named(method: str, target: str | None = None) -> str:
    name = method if target is None else f"{method} of {target}"
    return printable(shortened(name))


def _paths(differences: tuple[Difference, ...]) -> str:
    return _listed([field.path for field in differences], _PATHS_IN_SENTENCE)


def _listed(names: list[str], most: int) -> str:
    shown = ", ".join(printable(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
