"""A request that the cassette has no answer to, with everything that helps to find out why."""

from __future__ import annotations

import enum
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcptap.matching.canonical import canonical
from mcptap.matching.columns import PLAIN, Look, render
from mcptap.matching.excerpt import one_line, printable, shortened
from mcptap.matching.nearest import Difference, difference, nearest
from mcptap.matching.rules import ORDINARY, Matching
from mcptap.model import Era, Event, Interaction, Json, Message
from mcptap.protocol import META, MISS, target_of

_PATHS_IN_SENTENCE: Final = 3
_METHODS_IN_ADVICE: Final = 12
_MOST_TO_TYPE: Final = 200
_LEAD: Final = 40  # characters before an answer in its line
_LEAST_SHOWN: Final = 20

_RECORD_IT: Final = (
    "Record it: send the request through `mcptap record` into the same cassette, which appends to it; or "
    "replay with --on-miss record and the server."
)


class Reason(enum.StrEnum):
    """Why a request is a miss."""

    NO_ENTRY = "no cassette entry for the method"
    OTHER_PARAMS = "same method but different params"
    USED_UP = "already used up"
    ANSWER_DIFFERS = "answer to a server request differs"
    OUT_OF_ORDER = "not next in the recorded sequence"


@dataclass(frozen=True, slots=True)
class Nearest:
    """The recorded request that is nearest to the live one, by its ``seq``, and what differs.

    ``seq`` is ``None`` for what a server asked outside any request. ``answer`` is what it would have been
    answered with: ``{"result": …}``, ``{"error": …}`` or ``{"outcome": …}``; ``None`` where that is no help.
    """

    seq: int | None
    params: Json | None
    differences: tuple[Difference, ...]
    method: str | None = None
    answer: Json | None = None


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
                data["nearest"] = _shown(self.nearest)
            data["diff"] = [field.as_json() for field in self.nearest.differences]
        return {"code": MISS, "message": self.sentence, "data": data | {"advice": list(self.advice)}}

    def text(self, look: Look = PLAIN) -> str:
        """The explanation for a person, over several lines; safe for a terminal."""
        lines = [f"{look.paint('strong', 'miss')}: {self.sentence}", f"  why: {self.reason}"]
        if (near := self.nearest) is not None:
            if near.seq is not None:
                lines.append(f"  nearest recorded request: interaction {near.seq}")
            elif near.differences:
                lines.append("  what differs")
            lines += [f"    {line}" for line in render(near.differences, look)]
            if near.answer is not None:
                member, value = next(iter(near.answer.items()))
                if isinstance(value, Mapping):  # what it says comes first for a person
                    value = {name: inner for name, inner in value.items() if name != META}
                told = f"{member} {one_line(value, width=max(_LEAST_SHOWN, look.width - _LEAD))}"
                lines.append(f"  it would have been answered with {told}")
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
    matching: Matching = ORDINARY,
) -> Miss:
    """The miss of a request that was never recorded: not its method, or only with other params.

    Args:
        era: The era of the client.
        method: The method of the live request.
        params: Its params.
        candidates: What was recorded of the method in that era; read as far as `nearest` wants them.
        recorded: The eras and methods that the cassette has.
        matching: What is compared.
    """
    paired = ((candidate, candidate.params) for candidate in candidates)
    found = nearest(method, params, paired, matching.essence)
    if found is None:
        sentence = f"The cassette has no entry for {_named(method)} in the {era} era."
        advice = (*_where_to_look(era, method, set(recorded)), _RECORD_IT)
        return Miss(method, params, Reason.NO_ENTRY, sentence, None, advice)
    interaction, recorded_params = found
    seq = interaction.seq
    differences = difference(matching.essence(method, recorded_params), matching.essence(method, params))
    sentence = (
        f"The cassette has no {_named(method, target_of(method, params))} with these params; "
        f"the nearest, interaction {seq}, differs in {_paths(differences)}."
    )
    correct = f"If the client should ask as it did in interaction {seq}, correct the client."
    same_target = target_of(method, params) == target_of(method, recorded_params)
    ignoring = _ignoring(differences) if same_target and not matching.matchers else ()
    closest = _nearest(interaction, differences)
    return Miss(method, params, Reason.OTHER_PARAMS, sentence, closest, (correct, *ignoring, _RECORD_IT))


def used_up(method: str, params: Json | None, last: Interaction, times: int) -> Miss:
    """The miss of a request whose recorded answers were all given, where none is to be given again.

    Args:
        method: The method of the live request.
        params: Its params.
        last: The recorded interaction that was given last.
        times: How many there are.
    """
    often = "once" if times == 1 else f"{times} times"
    sentence = (
        f"The cassette has this {_named(method, target_of(method, params))} {often}, and the client asks "
        "again."
    )
    advice = (
        "If the client should not ask so often, correct the client.",
        "Let the last answer be given again with --repeats last, or begin anew with --repeats cycle.",
        _RECORD_IT,
    )
    return Miss(method, params, Reason.USED_UP, sentence, _nearest(last, ()), advice)


def out_of_order(method: str, params: Json | None, expected: Interaction | None) -> Miss:
    """The miss of a request that was recorded, but not at this place of a session.

    Args:
        method: The method of the live request.
        params: Its params.
        expected: The recorded interaction that is next; ``None`` at the end of the session.
    """
    asked = _named(method, target_of(method, params))
    if expected is None:
        due, turn = "the recorded session is over here", "end here"
    else:
        next_one = _named(expected.method, target_of(expected.method, expected.params))
        due = f"interaction {expected.seq}, {next_one}, is next in the recorded session"
        turn = f"ask for interaction {expected.seq} now"
    advice = (
        f"If the client should {turn}, correct the client.",
        "If the order doesn't matter, leave --match sequence out.",
        "Or record the session again with the client as it is now.",
    )
    closest = None if expected is None else _nearest(expected, ())
    return Miss(method, params, Reason.OUT_OF_ORDER, f"{asked} comes out of order: {due}.", closest, advice)


def answer_differs(
    interaction: Interaction | None, event: Event | Message, live: Json, matching: Matching = ORDINARY
) -> Miss | None:
    """The miss of a client that answers a server request otherwise than it did in the recording.

    Args:
        interaction: The recorded interaction that is being played; ``None`` outside any.
        event: Its server request, with the recorded answer; none where the client never gave one.
        live: The client's answer now: ``{"result": …}`` or ``{"error": …}``.
        matching: What is compared.

    Returns:
        ``None`` where the answer is the recorded one, volatile ``_meta`` aside.
    """
    left, right = matching.answer({"result": event.result, "error": event.error}), matching.answer(live)
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
        *_ignoring(differences),
        "Or record the session again with the client as it is now.",
    )
    request = event if interaction is None else interaction
    if interaction is None:
        closest = Nearest(None, request.params, differences)
    else:
        closest = _nearest(interaction, differences)
    return Miss(request.method, request.params, Reason.ANSWER_DIFFERS, sentence, closest, advice)


def _nearest(interaction: Interaction, differences: tuple[Difference, ...]) -> Nearest:
    members = ("result", "error", "outcome")
    answer = {name: value for name in members if (value := getattr(interaction, name)) is not None}
    return Nearest(interaction.seq, interaction.params, differences, interaction.method, answer or None)


def _shown(near: Nearest) -> dict[str, Any]:
    method = {} if near.method is None else {"method": near.method}
    answer: dict[str, Any] = shortened(near.answer or {})
    return {"seq": near.seq} | method | _params(near.params) | answer


def _ignoring(differences: tuple[Difference, ...]) -> tuple[str, ...]:
    """How to ignore what differs, where that is little."""
    paths = [field.path for field in differences]
    if not paths or len(paths) > _PATHS_IN_SENTENCE or "$" in paths or len("".join(paths)) > _MOST_TO_TYPE:
        return ()
    options = " ".join(f"--ignore {shlex.quote(path)}" for path in paths)
    return (printable(f"If what differs there doesn't matter, ignore it: {options}"),)


def _where_to_look(era: Era, method: str, recorded: set[tuple[Era, str]]) -> list[str]:
    names = sorted(name for known_era, name in recorded if known_era == era)
    has = _listed(names, _METHODS_IN_ADVICE) or "nothing"
    advice = [f"Check that this is the cassette of the right server; in the {era} era it has {has}."]
    other: Era = "handshake" if era == "modern" else "modern"
    if (other, method) in recorded:
        advice.append(f"Or use a client of the {other} era, for which the cassette has {_named(method)}.")
    return advice


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
