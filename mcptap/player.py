"""From a live request to its recorded answer: cursors, eras, repeats and misses.

Pure decisions: the only thing that is read is the recording, and nothing here waits or looks at a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from mcptap.announcer import Announcer, Timelines
from mcptap.cassette.index import Entry, MessageEntry
from mcptap.matching.miss import Miss, answer_differs, not_recorded, out_of_order, used_up
from mcptap.matching.refusal import Refusal, refusal
from mcptap.matching.rules import ORDINARY, Matching
from mcptap.model import Era, Event, Interaction, Json, Message
from mcptap.protocol import REPEATING, TASK_POLL
from mcptap.redaction.live import LiveForms
from mcptap.redaction.redactor import Redactor
from mcptap.sequence import RecordedOrder, SessionOrder
from mcptap.tally import Summary, Tally
from mcptap.task_stages import TaskLife, TaskStages, task_acted_on, task_made_by, task_of
from mcptap.variants import Group, Variants, spoken_in

Repeats: TypeAlias = Literal["last", "error", "cycle"]
"""What a request gets whose recorded answers were all given: the last one, a miss, or all of them anew."""


class Recording(Protocol):
    """What a player needs of a cassette (`mcptap.cassette.index.CassetteIndex`), in recorded order."""

    @property
    def entries(self) -> Sequence[Entry]:
        """Every recorded request."""

    @property
    def by_key(self) -> Mapping[bytes, Sequence[Entry]]:
        """The recorded requests that ask for the same."""

    @property
    def by_method(self) -> Mapping[str, Sequence[Entry]]:
        """The recorded requests of a method, of both eras."""

    @property
    def said(self) -> Mapping[bytes, Sequence[MessageEntry]]:
        """What clients said outside any request, by key."""

    @property
    def timelines(self) -> Timelines:
        """When servers spoke outside any request, for each session in which one did."""

    def read(self, entry: Entry, /) -> Interaction:
        """The whole interaction of a recorded request."""

    def read_message(self, entry: MessageEntry, /) -> Message:
        """The whole of what was said outside any request."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A recorded answer. ``repeat`` says that it had been given before, and there was no further one."""

    entry: Entry
    interaction: Interaction
    repeat: bool


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ``ping`` that was never recorded: the specification leaves no other one.

    "The receiver MUST respond promptly with an empty response" (2025-11-25, Utilities, Ping).
    """

    result: Json = field(default_factory=dict)


Answer: TypeAlias = Hit | Pong | Refusal | Miss


class _Shared:
    """What all the cursors of a player have in common."""

    def __init__(self, recording: Recording, matching: Matching, repeats: Repeats) -> None:
        self.recording = recording
        self.matching = matching
        self.repeats = repeats
        self.spoken = spoken_in(recording)
        self.variants = Variants(recording)
        self.stages = TaskStages(recording)
        self.order = RecordedOrder(recording.entries) if matching.sequence else None
        self.tally = Tally()


class Player:
    """Answers live requests from a recording (CASSETTE.md, "Matching").

    Args:
        recording: The cassette.
        redactors: How what live clients send was redacted when it was recorded: one for each cassette,
            ``None`` for one without redaction.
        matching: What the recording's keys were made by.
        repeats: What a request gets that is made more often than it was recorded.

    Attributes:
        redactors: The same.
    """

    def __init__(
        self,
        recording: Recording,
        redactors: Sequence[Redactor | None] = (),
        matching: Matching = ORDINARY,
        repeats: Repeats = "last",
    ) -> None:
        self._shared = _Shared(recording, matching, repeats)
        self.redactors = redactors

    @property
    def spoken(self) -> frozenset[Era]:
        """The eras that the recorded server speaks, as far as the recording shows."""
        return self._shared.spoken

    def knows(self, era: Era, method: str, params: Json | None) -> bool:
        """Whether there is a recorded request that asks for the same."""
        shared = self._shared
        return shared.matching.key_of(era, method, params) in shared.recording.by_key

    def cursor(self) -> Cursor:
        """Begin a client session: it starts at the beginning, whatever the others do (rule 2)."""
        return Cursor(self._shared, LiveForms(self.redactors))

    def unused(self) -> list[Entry]:
        """The recorded requests that no client made, in the order of recording; see `Tally.unused`."""
        return self._shared.tally.unused(self._shared.recording.entries)

    @property
    def missed(self) -> int:
        """How many requests, and answers to server requests, the cassette did not have so far."""
        return self._shared.tally.missed

    def summary(self) -> Summary:
        """How the replay went so far."""
        tally = self._shared.tally
        return Summary(tally.played, tally.repeated, tally.missed, len(self.unused()), tally.forwarded)


class Cursor:
    """How far one client session has come in a recording. Made by `Player.cursor`.

    Attributes:
        announcer: Decides when the session hears what the server said outside any request.
    """

    def __init__(self, shared: _Shared, forms: LiveForms) -> None:
        self._recording = shared.recording
        self._matching = shared.matching
        self._shared = shared
        self._tally = shared.tally
        self._order = SessionOrder(shared.order, cycle=shared.repeats == "cycle") if shared.order else None
        self.announcer = Announcer(shared.recording.timelines)
        self._forms = forms
        self._asked = Counter[Group]()
        self._lives: dict[str, TaskLife] = {}  # of the tasks that it has started
        self._keys: set[bytes] = set()  # of what was asked

    def find(self, era: Era, method: str, params: Json | None) -> Answer:
        """Answer one live request by rules 1, 2, 3 and 7.

        Args:
            era: The era that the client speaks.
            method: The request's method.
            params: Its params as they came over the wire.

        Raises:
            CassetteError: The recording can't be read any more.
            UsageError: A matcher of the user's has failed.
        """
        forms = self._forms.of(params)
        # From here on nobody sees a secret: what is missed is explained by its redacted form.
        params = forms[0]
        keys = [self._matching.key_of(era, method, form) for form in forms]
        key = next((key for key in keys if key in self._recording.by_key), None)
        if key is None and method == "initialize":
            key = self._negotiated(era)
        if key is not None:
            group, entries = self._shared.variants.like(key, params)
            if method == TASK_POLL:
                return self._poll(group, entries, self._life(task_of(params)))
            if self._order is not None and method not in REPEATING:
                return self._play_next(self._order, era, method, params, keys, group, entries)
            return self._play(method, params, group, entries)
        if (refused := refusal(self._shared.spoken, era, method, params)) is not None:
            return refused
        candidates = self._candidates(era, method)
        if method == "ping" and era == "handshake" and not candidates:
            self._tally.played += 1
            return Pong()
        return self._missed(
            not_recorded(
                era,
                method,
                params,
                candidates=(self._recording.read(entry) for entry in candidates),
                recorded=((entry.era, entry.method) for entry in self._recording.entries),
                matching=self._matching,
            )
        )

    def forwarded(self) -> None:
        """Learn that the request that was just missed is answered by the real server."""
        self._tally.missed -= 1
        self._tally.forwarded += 1

    def answered(self, interaction: Interaction) -> None:
        """Learn that the client has the outcome of a request: a task may be in another state then."""
        if (made := task_made_by(interaction)) is not None:
            self._lives[made] = self._tally.lives[made] = TaskLife()
        elif (task := task_acted_on(interaction)) is not None:
            self._life(task).acted += 1

    def notified(self, era: Era, method: str, params: Json | None) -> None:
        """Take the client's notification: the server may have said something after it."""
        keys = (self._matching.key_of(era, method, form) for form in self._forms.of(params))
        key = next((key for key in keys if self._recording.said.get(key)), None)
        if key is None:
            return
        said = self._recording.said[key]
        count = self._asked[key, None]
        self._asked[key, None] += 1
        if count < len(said):
            self.announcer.heard(said[count])

    def read_message(self, entry: MessageEntry) -> Message:
        """The whole of what `announcer` says."""
        return self._recording.read_message(entry)

    def answer_differs(
        self, interaction: Interaction | None, event: Event | Message, live_answer: Json
    ) -> Miss | None:
        """Hold a client's answer to a server request against the recorded one (rule 5); count a miss.

        Args:
            interaction: The interaction that is being played; ``None`` outside any request.
            event: The server request.
            live_answer: What the client answers now: ``{"result": …}`` or ``{"error": …}``.

        Returns:
            ``None`` where it is the recorded answer.
        """
        misses = []
        for member, value in live_answer.items():
            for form in self._forms.of(value):
                miss = answer_differs(interaction, event, {member: form}, self._matching)
                if miss is None:
                    return None
                misses.append(miss)
        return self._missed(misses[0])

    def _missed(self, miss: Miss) -> Miss:
        self._tally.missed += 1
        return miss

    def _life(self, task: str) -> TaskLife:
        """How far this client is with a task; the latest one's, where stateless requests hide whose it is."""
        own = self._lives.get(task)
        return self._tally.lives.setdefault(task, TaskLife()) if own is None else own

    def _poll(self, group: Group, entries: Sequence[Entry], life: TaskLife) -> Hit:
        """Give the next state of a task that the recording had when as much had been done about it.

        Where it was not polled then any more, the last state before that is held (rule 4).
        """
        stages = [self._shared.stages.of(entry) for entry in entries]
        stage = max((each for each in stages if each <= life.acted), default=min(stages))
        at_stage = [entry for entry, its in zip(entries, stages, strict=True) if its == stage]
        asked = life.polled[stage] if stage >= life.acted else len(at_stage)
        life.polled[stage] = asked + 1
        return self._give(group, at_stage[min(asked, len(at_stage) - 1)], asked, repeat=False)

    def _play(self, method: str, params: Json | None, group: Group, entries: Sequence[Entry]) -> Hit | Miss:
        """Give the next of the answers to the same request; after the last one, what is chosen (rule 3)."""
        asked = self._asked[group]
        self._asked[group] += 1
        repeat = asked >= len(entries) and method not in REPEATING
        if repeat and self._shared.repeats == "error":
            return self._missed(used_up(method, params, self._recording.read(entries[-1]), len(entries)))
        cycle = repeat and self._shared.repeats == "cycle"
        place = asked % len(entries) if cycle else min(asked, len(entries) - 1)
        return self._give(group, entries[place], asked, repeat=repeat)

    def _play_next(
        self,
        order: SessionOrder,
        era: Era,
        method: str,
        params: Json | None,
        keys: Sequence[bytes],
        group: Group,
        entries: Sequence[Entry],
    ) -> Hit | Miss:
        """Give the answer that is next in the recorded session, if it is to the same request."""
        entry = order.advance(keys)
        if entry is not None:
            asked = self._asked[group]
            self._asked[group] += 1
            return self._give(group, entry, asked, repeat=asked >= len(entries))
        expected = order.expected(era)
        if expected is None and self._asked[group] >= len(entries):
            last = self._recording.read(entries[-1])
            return self._missed(used_up(method, params, last, len(entries)))
        due = None if expected is None else self._recording.read(expected)
        return self._missed(out_of_order(method, params, due))

    def _give(self, group: Group, entry: Entry, asked: int, *, repeat: bool) -> Hit:
        """Give an answer to what this session has asked ``asked`` times before."""
        self._keys.add(group[0])
        interaction = self._recording.read(entry)
        self._tally.played += 1
        self._tally.repeated += repeat
        self._tally.used.add(entry)
        self._tally.keys.add(entry.key)
        self._tally.reached[group] = max(self._tally.reached.get(group, 0), asked + 1)
        return Hit(entry, interaction, repeat)

    def _negotiated(self, era: Era) -> bytes | None:
        """The key of what answers an ``initialize`` with a version that was never asked for.

        A server offers its own version then, so that any client can initialize.
        """
        for entry in self._recording.by_method.get("initialize", ()):
            if entry.era == era and self._recording.read(entry).result is not None:
                return entry.key
        return None

    def _candidates(self, era: Era, method: str) -> list[Entry]:
        """What was recorded of a method, each request once; those not yet made in this session first."""
        distinct: dict[bytes, Entry] = {}
        for entry in self._recording.by_method.get(method, ()):
            if entry.era == era:
                distinct.setdefault(entry.key, entry)
        return sorted(distinct.values(), key=lambda entry: entry.key in self._keys)
