"""In which order things happened in a recorded session, as far as its messages outside any request go.

The lines of a cassette stand in the order of outcomes. What a server said while requests were in flight
has its place among their arrivals too, and a server request between its question and its answer; both are
told by the lines' times.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar, get_args

from mcptap.model import Interaction, Message

_ENDED_BY_CLIENT: Final = ("cancelled", "disconnected")

_Request = TypeVar("_Request")
_Said = TypeVar("_Said")
_Kind: TypeAlias = Literal["arrival", "end", "heard", "asked", "told", "answer"]
_VISIBLE: Final[tuple[_Kind, ...]] = ("arrival", "end", "heard")


class Span(NamedTuple):
    """A recorded request between two moments; ``ends`` unless the client had to give it up."""

    arrived: int
    ended: int
    ends: bool


@dataclass(frozen=True, slots=True, eq=False)
class Placed(Generic[_Said]):
    """A message of the server's outside any request, with its place among the moments of its session.

    Attributes:
        entry: The message.
        follows: The last moment before it that the client could see: a request's arrival or end, or what
            the client said. 0 where it was the first of all.
        told: When the server sent it.
        done: When it was over: the same moment, or that of the client's answer where there was one.
    """

    entry: _Said
    follows: int
    told: int
    done: int


@dataclass(frozen=True, slots=True)
class Timeline(Generic[_Request, _Said]):
    """The moments of a session, numbered from 1 in their order.

    Attributes:
        placed: What the server said outside any request, in the order in which it did.
        spans: The requests.
        heard: What the client said outside any request.
    """

    placed: tuple[Placed[_Said], ...]
    spans: Mapping[_Request, Span]
    heard: Mapping[_Said, int]


class _Line(NamedTuple):
    """What a line says: of whom, when it was written, and how long (seconds) that had gone on by then."""

    kind: _Kind
    number: int
    at: float
    took: float


class _Moment(NamedTuple):
    """Sorts by time (seconds); of moments at the same time arrivals are the last, lines keep their order."""

    at: float
    last: bool
    line: int
    kind: _Kind
    number: int


class TimelineBuilder(Generic[_Request, _Said]):
    """Takes what the lines of a session say, in the order of the lines."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._requests: list[tuple[_Request, bool]] = []
        self._messages: list[_Said] = []
        self._server_spoke = False

    def add_request(self, request: _Request, interaction: Interaction) -> None:
        """Take a request with its outcome."""
        took = ((interaction.ms or 0.0) + (interaction.proxy_ms or 0.0)) / 1000
        self._lines.append(_Line("end", len(self._requests), interaction.at + took, took))
        self._requests.append((request, interaction.outcome not in _ENDED_BY_CLIENT))

    def add_message(self, said: _Said, message: Message) -> None:
        """Take what was said outside any request."""
        kind: _Kind = "heard" if message.source == "client" else "told"
        if message.asked:
            kind = "answer" if message.answered else "asked"
        self._lines.append(_Line(kind, len(self._messages), message.at, (message.ms or 0.0) / 1000))
        self._messages.append(said)
        self._server_spoke = self._server_spoke or message.source == "server"

    def built(self) -> Timeline[_Request, _Said] | None:
        """The timeline; ``None`` where the server said nothing outside any request."""
        if not self._server_spoke:
            return None
        found = _count(self._lines)
        told = {**found["told"], **found["asked"]}
        visible = sorted(count for kind in _VISIBLE for count in found[kind].values())
        placed = [
            Placed(
                entry=self._messages[number],
                follows=visible[before - 1] if (before := bisect.bisect(visible, count)) else 0,
                told=count,
                done=found["answer"].get(number, count),
            )
            for number, count in sorted(told.items(), key=itemgetter(1))
        ]
        spans = {
            request: Span(found["arrival"][number], found["end"][number], ends)
            for number, (request, ends) in enumerate(self._requests)
        }
        heard = {self._messages[number]: count for number, count in found["heard"].items()}
        return Timeline(tuple(placed), spans, heard)


def _count(lines: Iterable[_Line]) -> Mapping[_Kind, dict[int, int]]:
    """Number the moments in their order: for each kind, by the numbers of what they belong to."""
    moments = []
    now = 0.0
    for number, line in enumerate(lines):
        now = max(now, line.at)  # a line is never earlier than the one before
        if line.kind != "asked":
            moments.append(_Moment(now, False, number, line.kind, line.number))
        if line.kind == "end":
            moments.append(_Moment(line.at - line.took, True, number, "arrival", line.number))
        elif line.kind in {"asked", "answer"}:
            moments.append(_Moment(line.at - line.took, False, number, "asked", line.number))
    found: dict[_Kind, dict[int, int]] = {kind: {} for kind in get_args(_Kind)}
    for count, moment in enumerate(sorted(moments), 1):
        found[moment.kind][moment.number] = count
    return found
