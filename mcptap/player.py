"""From a live request to its recorded answer: cursors, eras, repeats and misses.

Pure decisions: the only thing that is read is the recording, and nothing here waits or looks at a clock.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from mcptap.announcer import Announcer, Timelines
from mcptap.cassette.index import Entry, MessageEntry
from mcptap.matching.canonical import capabilities_of, key_of
from mcptap.matching.miss import Miss, answer_differs, not_recorded
from mcptap.matching.refusal import Refusal, refusal
from mcptap.model import Era, Event, Interaction, Json, Message
from mcptap.protocol import REPEATING, TASK_POLL
from mcptap.redaction.live import LiveForms
from mcptap.redaction.redactor import Redactor
from mcptap.task_stages import TaskLife, TaskStages, task_acted_on, task_made_by, task_of


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


@dataclass(frozen=True, slots=True)
class Summary:
    """How a replay went.

    Attributes:
        played: Requests with an answer, repeats among them; refusals are not.
        repeated: How many of those got an answer again because there was no further one.
        missed: Requests, and clients' answers to server requests, that the cassette doesn't have.
        unused: Recorded requests that no client made.
        forwarded: Requests that the cassette doesn't have, and the real server was asked instead.
    """

    played: int
    repeated: int
    missed: int
    unused: int
    forwarded: int = 0

    def sentence(self) -> str:
        """The summary in one line for a person."""
        said = f"played {self.played}, repeated {self.repeated}, missed {self.missed}, unused {self.unused}"
        return f"{said}, forwarded {self.forwarded}" if self.forwarded else said


_Group: TypeAlias = tuple[bytes, bytes | None]
"""The recorded requests of one key and one variant; ``None`` for those of all variants."""


@dataclass(slots=True)
class _Tally:
    """What all the cursors of a player count together."""

    played: int = 0
    repeated: int = 0
    missed: int = 0
    forwarded: int = 0
    used: set[Entry] = field(default_factory=set)
    keys: set[bytes] = field(default_factory=set)  # of what is used
    reached: dict[_Group, int] = field(default_factory=dict)  # how often one session has asked at most
    lives: dict[str, TaskLife] = field(default_factory=dict)  # the latest of every task


class Player:
    """Answers live requests from a recording (CASSETTE.md, "Matching").

    Args:
        recording: The cassette.
        redactors: How what live clients send was redacted when it was recorded: one for each cassette,
            ``None`` for one without redaction.

    Attributes:
        redactors: The same.
    """

    def __init__(self, recording: Recording, redactors: Sequence[Redactor | None] = ()) -> None:
        self._recording = recording
        self.redactors = redactors
        self._spoken = _spoken(recording)
        self._variants = _Variants(recording)
        self._stages = TaskStages(recording)
        self._tally = _Tally()

    @property
    def spoken(self) -> frozenset[Era]:
        """The eras that the recorded server speaks, as far as the recording shows."""
        return self._spoken

    def knows(self, era: Era, method: str, params: Json | None) -> bool:
        """Whether there is a recorded request that asks for the same."""
        return key_of(era, method, params) in self._recording.by_key

    def cursor(self) -> Cursor:
        """Begin a client session: it starts at the beginning, whatever the others do (rule 2)."""
        forms = LiveForms(self.redactors)
        return Cursor(self._recording, self._spoken, self._variants, self._stages, self._tally, forms)

    def unused(self) -> list[Entry]:
        """The recorded requests that no client made, in the order of recording.

        Each live session begins at the beginning (rule 2), so where several recorded sessions made the
        same request, the answers of the later ones may never be given. So a request is used if it was
        played, or if some live session made it as often as its own recorded session had by then: the
        n-th in its session is used once a live session has made it n times. What repeats for ever is
        used as soon as one of its answers was asked for.
        """
        tally = self._tally
        made = Counter[tuple[int, bytes, bytes]]()
        unused = []
        for entry in self._recording.entries:
            made[entry.session, entry.key, entry.variant] += 1
            times = made[entry.session, entry.key, entry.variant]
            if not (
                entry in tally.used
                or times <= tally.reached.get((entry.key, entry.variant), 0)
                or (entry.method in REPEATING and entry.key in tally.keys)
            ):
                unused.append(entry)
        return unused

    @property
    def missed(self) -> int:
        """How many requests, and answers to server requests, the cassette did not have so far."""
        return self._tally.missed

    def summary(self) -> Summary:
        """How the replay went so far."""
        tally = self._tally
        return Summary(tally.played, tally.repeated, tally.missed, len(self.unused()), tally.forwarded)


class Cursor:
    """How far one client session has come in a recording. Made by `Player.cursor`.

    Attributes:
        announcer: Decides when the session hears what the server said outside any request.
    """

    def __init__(
        self,
        recording: Recording,
        spoken: frozenset[Era],
        variants: _Variants,
        stages: TaskStages,
        tally: _Tally,
        forms: LiveForms,
    ) -> None:
        self._recording = recording
        self._spoken = spoken
        self._variants = variants
        self._stages = stages
        self._tally = tally
        self.announcer = Announcer(recording.timelines)
        self._forms = forms
        self._asked = Counter[_Group]()
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
        """
        forms = self._forms.of(params)
        # From here on nobody sees a secret: what is missed is explained by its redacted form.
        params = forms[0]
        key = self._recorded_key(era, method, forms)
        if key is None and method == "initialize":
            key = self._negotiated(era)
        if key is not None:
            group, entries = self._variants.like(key, params)
            if method == TASK_POLL:
                return self._poll(group, entries, self._life(task_of(params)))
            return self._play(group, entries)
        if (refused := refusal(self._spoken, era, method, params)) is not None:
            return refused
        candidates = self._candidates(era, method)
        if method == "ping" and era == "handshake" and not candidates:
            self._tally.played += 1
            return Pong()
        self._tally.missed += 1
        return not_recorded(
            era,
            method,
            params,
            candidates=(self._recording.read(entry) for entry in candidates),
            recorded=((entry.era, entry.method) for entry in self._recording.entries),
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
        keys = (key_of(era, method, form) for form in self._forms.of(params))
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
                miss = answer_differs(interaction, event, {member: form})
                if miss is None:
                    return None
                misses.append(miss)
        self._tally.missed += 1
        return misses[0]

    def _recorded_key(self, era: Era, method: str, forms: Sequence[Json | None]) -> bytes | None:
        keys = (key_of(era, method, form) for form in forms)
        return next((key for key in keys if key in self._recording.by_key), None)

    def _life(self, task: str) -> TaskLife:
        """How far this client is with a task; the latest one's, where stateless requests hide whose it is."""
        own = self._lives.get(task)
        return self._tally.lives.setdefault(task, TaskLife()) if own is None else own

    def _poll(self, group: _Group, entries: Sequence[Entry], life: TaskLife) -> Hit:
        """Give the next state of a task that the recording had when as much had been done about it.

        Where it was not polled then any more, the last state before that is held (rule 4).
        """
        stages = [self._stages.of(entry) for entry in entries]
        stage = max((each for each in stages if each <= life.acted), default=min(stages))
        at_stage = [entry for entry, its in zip(entries, stages, strict=True) if its == stage]
        asked = life.polled[stage] if stage >= life.acted else len(at_stage)
        life.polled[stage] = asked + 1
        return self._give(group, at_stage, asked)

    def _play(self, group: _Group, entries: Sequence[Entry]) -> Hit:
        """Give the next of the answers to the same request, or the last one again (rule 3)."""
        asked = self._asked[group]
        self._asked[group] += 1
        return self._give(group, entries, asked)

    def _give(self, group: _Group, entries: Sequence[Entry], asked: int) -> Hit:
        """Give one of the answers, after ``asked`` others."""
        self._keys.add(group[0])
        entry = entries[min(asked, len(entries) - 1)]
        interaction = self._recording.read(entry)
        repeat = asked >= len(entries) and entry.method not in REPEATING
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


class _Variants:
    """Tells apart, among the requests of one key, what clients of different capabilities asked."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._known: dict[bytes, Mapping[bytes, Sequence[Entry]]] = {}

    def like(self, key: bytes, params: Json | None) -> tuple[_Group, Sequence[Entry]]:
        """The recorded requests of a key whose client could do the same; all where there is none such."""
        variants = self._known.get(key)
        if variants is None:
            variants = self._known[key] = self._split(key)
        variant = capabilities_of(params)
        if variant in variants:
            return (key, variant), variants[variant]
        return (key, None), self._recording.by_key[key]

    def _split(self, key: bytes) -> Mapping[bytes, Sequence[Entry]]:
        variants = defaultdict[bytes, list[Entry]](list)
        for entry in self._recording.by_key[key]:
            variants[entry.variant].append(entry)
        return dict(variants)


def _spoken(recording: Recording) -> frozenset[Era]:
    """The eras that the recorded server speaks: those in which it gave a result.

    A probe that failed is no sign of an era, and a recording without any result says nothing.
    """
    spoken: set[Era] = set()
    for entry in recording.entries:
        if entry.era not in spoken and recording.read(entry).result is not None:
            spoken.add(entry.era)
    return frozenset(spoken)
