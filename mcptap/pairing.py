"""Two cassettes side by side: which requests are the same in both, and what differs in their answers.

Requests are paired by their key (CASSETTE.md, "Matching", rule 1), session by session and in recorded
order; the bodies are read one pair at a time.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from mcptap.cassette.index import CassetteIndex, Entry
from mcptap.cassette.reader import Cassette
from mcptap.comparing.finding import Finding, Verdict
from mcptap.comparing.issued import Issued
from mcptap.comparing.listings import KINDS, listing_findings
from mcptap.comparing.outcomes import Outcome, asked_findings, essential_result, outcome_findings
from mcptap.comparing.values import Ignored, value_findings
from mcptap.listing_chains import ListingChains
from mcptap.matching.canonical import essential, key_of
from mcptap.matching.nearest import nearest
from mcptap.model import Era, Event, Interaction, Json
from mcptap.protocol import target_of
from mcptap.redaction.header import redactor_of
from mcptap.redaction.redactor import Redactor


@dataclass(frozen=True, slots=True)
class Pair:
    """A request that both cassettes have, or one of them.

    Attributes:
        change: What became of it from the first cassette to the second.
        other_seq: Its ``seq`` in the second, if it is in both.
        verdict: What it is, by its ``seq`` in the first (of an added one in the second), and what differs.
    """

    change: Literal["same", "changed", "added", "removed"]
    verdict: Verdict
    other_seq: int | None = None


class Pairing:
    """Pairs the requests of two cassettes.

    Args:
        first: The one cassette.
        second: The other.
        ignored: What of params, results and errors doesn't matter.

    Raises:
        CassetteError: One of them is damaged.
    """

    def __init__(self, first: Cassette, second: Cassette, ignored: Ignored) -> None:
        self._ignored = ignored
        headers = first.header, second.header
        alike = len({(header.redaction, header.salt) for header in headers}) == 1
        # Each is looked at as if the rules of the other had been applied to it, too.
        self._first = _Side(first, None if alike else redactor_of(second.header))
        self._second = _Side(second, None if alike else redactor_of(first.header))

    def pairs(self) -> Iterator[Pair]:
        """Every request of either, in the order of the first cassette within each session.

        Raises:
            CassetteError: A cassette can't be read any more.
        """
        for one, other in _paired_sessions(self._first, self._second):
            yield from self._session(self._first.entries(one), self._second.entries(other))

    def _session(self, first: Sequence[Entry], second: Sequence[Entry]) -> Iterator[Pair]:
        issued = Issued()
        waiting = defaultdict[bytes, deque[Entry]](deque)
        for entry in second:
            waiting[entry.key].append(entry)
        unpaired: list[Entry] = []
        for entry in first:
            interaction = self._first.read(entry)
            params = issued.rebound(interaction.method, interaction.params)
            same = waiting[_key("handshake", interaction.method, params)]
            if same:
                yield self._pair(entry, interaction, same.popleft(), issued)
            else:
                unpaired.append(entry)
        left = {entry: None for entries in waiting.values() for entry in entries}
        left = dict.fromkeys(sorted(left, key=lambda entry: entry.seq))
        for entry in unpaired:
            interaction = self._first.read(entry)
            near = self._nearest(interaction, [each for each in left if each.method == entry.method])
            if near is None:
                yield Pair("removed", _verdict(interaction))
            else:
                del left[near]
                yield self._pair(entry, interaction, near, issued)
        for entry in left:
            yield Pair("added", _verdict(self._second.read(entry)))

    def _nearest(self, interaction: Interaction, candidates: Sequence[Entry]) -> Entry | None:
        """The request of the second cassette that was made in the place of one of the first."""
        method, params = interaction.method, interaction.params
        found = nearest(method, params, ((each, self._second.read(each).params) for each in candidates))
        if found is None or target_of(method, found[1]) != target_of(method, params):
            return None
        return found[0]

    def _pair(self, entry: Entry, before: Interaction, other: Entry, issued: Issued) -> Pair:
        now = self._second.read(other)
        method = before.method
        params = essential(method, issued.rebound(method, before.params)), essential(method, now.params)
        findings = [*value_findings(*params, self._ignored, "the params")]
        issued.said(before.params)
        pages = self._first.chains.pages(entry), self._second.chains.pages(other)
        if all(pages):
            findings += listing_findings(
                method,
                [essential_result(self._first.read(page).result) for page in pages[0]],
                [essential_result(self._second.read(page).result) for page in pages[1]],
                self._ignored,
                complete=self._first.chains.is_complete(entry),
                live_complete=self._second.chains.is_complete(other),
            )
        else:
            issued.learn(method, before.result, now.result)
            findings += _answer_findings(before, now, issued, self._ignored)
        findings += _question_findings(before, now, issued, self._ignored)
        issued.learn_uuids(before.result, now.result)
        change: Literal["same", "changed"] = "changed" if findings else "same"
        return Pair(change, _verdict(before, findings), now.seq)


class _Side:
    """One of the two cassettes: its requests by session, the further pages of listings left out."""

    def __init__(self, cassette: Cassette, redactor: Redactor | None) -> None:
        self._redactor = redactor
        self.chains = ListingChains()

        def redacted_key(era: Era, method: str, params: Json | None) -> bytes:
            return _key(era, method, self._redacted(params))

        self._index = CassetteIndex.of([cassette], redacted_key)
        by_session = defaultdict[int, list[Entry]](list)
        for entry in self._index.entries:
            if entry.method in KINDS:
                self.chains.add(entry, self._index.read(entry))
            if entry.seq not in self.chains.heads:
                by_session[entry.session].append(entry)
        self._by_session = dict(by_session)
        self.sessions = [(session, entries[0].era) for session, entries in self._by_session.items()]

    def entries(self, session: int | None) -> Sequence[Entry]:
        """The requests of a session; none where there is no session."""
        return () if session is None else self._by_session[session]

    def read(self, entry: Entry) -> Interaction:
        """A whole interaction, redacted by the rules of both cassettes."""
        interaction = self._index.read(entry)
        if self._redactor is None:
            return interaction
        return replace(
            interaction,
            params=self._redacted(interaction.params),
            result=self._redacted(interaction.result),
            error=self._redacted(interaction.error),
        )

    def _redacted(self, value: Json | None) -> Json | None:
        return value if self._redactor is None else self._redactor.value(value)


def _key(era: Era, method: str, params: Json | None) -> bytes:
    """The key of a request, whatever the era: the same client may have been recorded in the other."""
    del era
    return key_of("handshake", method, params)


def _paired_sessions(first: _Side, second: _Side) -> Iterator[tuple[int | None, int | None]]:
    """The sessions of both in their order: those of the same era first, then whatever is left."""
    left = dict(second.sessions)
    pairs: dict[int, int] = {}
    for same_era in (True, False):
        for session, era in first.sessions:
            fitting = (other for other, its in left.items() if its == era or not same_era)
            if session not in pairs and (other := next(fitting, None)) is not None:
                pairs[session] = other
                del left[other]
    yield from ((session, pairs.get(session)) for session, _ in first.sessions)
    yield from ((None, other) for other in left)


def _answer_findings(
    before: Interaction, now: Interaction, issued: Issued, ignored: Ignored
) -> Iterator[Finding]:
    """What differs between two answers, or why there was none."""
    if before.outcome is None and now.outcome is None:
        yield from outcome_findings(before, Outcome(now.result, now.error), issued, ignored)
    elif before.outcome != now.outcome:
        ends = [each.outcome or "answered" for each in (before, now)]
        yield Finding("difference", "$", "how it ended", *ends)


def _question_findings(
    before: Interaction, now: Interaction, issued: Issued, ignored: Ignored
) -> Iterator[Finding]:
    """What differs between the questions of two servers, and the answers of their clients."""
    asked = _asked(now)
    for event in (event for event in before.events if event.asked):
        others = asked[event.method]
        if not others:
            yield Finding("difference", "$", f"{event.method} is not asked any more", event.params)
            continue
        other = others.popleft()
        yield from asked_findings(event, other.params, issued, ignored)
        answer, other_answer = ({"result": each.result, "error": each.error} for each in (event, other))
        text = f"the client's answer to {event.method}"
        yield from value_findings(answer, other_answer, ignored, text)
    for method, others in asked.items():
        for other in others:
            yield Finding("difference", "$", f"{method} is newly asked", live=other.params)


def _asked(interaction: Interaction) -> dict[str, deque[Event]]:
    asked = defaultdict[str, deque[Event]](deque)
    for event in interaction.events:
        if event.asked:
            asked[event.method].append(event)
    return asked


def _verdict(interaction: Interaction, findings: Sequence[Any] = ()) -> Verdict:
    target = target_of(interaction.method, interaction.params)
    return Verdict(interaction.seq, interaction.session, interaction.method, target, tuple(findings))
