"""What to send to a live server so that it does again what was recorded, and whether it does.

Pure decisions: `mcptap.tap.verifying` sends, waits and measures; nothing here looks at a clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mcptap.cassette.index import Entry, MessageEntry
from mcptap.comparing.finding import Finding, Verdict
from mcptap.comparing.issued import Issued
from mcptap.comparing.listings import KINDS, NEXT_CURSOR, listing_findings
from mcptap.comparing.outcomes import Outcome, asked_findings, essential_result, notes_of, outcome_findings
from mcptap.comparing.values import Ignored
from mcptap.exchange import RpcError
from mcptap.listing_chains import ListingChains, Recording
from mcptap.matching.nearest import ABSENT
from mcptap.model import Interaction, Json, Message
from mcptap.protocol import METHOD_NOT_FOUND, TASK_POLL, target_of
from mcptap.questions import Questions
from mcptap.redaction.known import Known
from mcptap.redaction.redactor import Redactor
from mcptap.redaction.revealing import Revealer

_AT_WORK: Final = "working"
_OVER: Final = frozenset({"completed", "failed", "cancelled"})


@dataclass(slots=True)
class Plan:
    """A recorded request that is to be made again, or the reason why it isn't.

    Attributes:
        interaction: What was recorded.
        params: What to send: what the server has issued, and the secrets that were given, in their place.
        pages: The recorded results of a listing, from this one on; none for other requests.
        complete: Whether those go on to the end of the listing.
        skipped: Why it isn't made.
        is_judged_elsewhere: Whether it is a further page of a listing, which is judged as a whole.
    """

    interaction: Interaction
    params: Json | None = None
    pages: tuple[Entry, ...] = ()
    complete: bool = False
    skipped: str | None = None
    is_judged_elsewhere: bool = False


@dataclass(slots=True)
class _Session:
    """What is known of one session while it is made again."""

    questions: Questions = field(default_factory=Questions)
    findings: list[Finding] = field(default_factory=list)
    known: Known = field(default_factory=Known)


class Verifier:
    """Decides what a live server is sent and told, and judges what it says.

    Args:
        recording: The cassette.
        ignored: What of params, results and errors doesn't matter.
        redactor: What took the secrets out of the cassette; live answers are compared without theirs.
        revealer: Puts secrets back into what is sent.
    """

    def __init__(
        self, recording: Recording, ignored: Ignored, redactor: Redactor | None, revealer: Revealer
    ) -> None:
        self._recording = recording
        self._ignored = ignored
        self._redactor = redactor
        self._revealer = revealer
        self._issued = Issued()
        self._sessions = defaultdict[int, _Session](_Session)
        self._chains = ListingChains()
        self._read_through()

    @property
    def heads(self) -> Mapping[int, int]:
        """The interaction with which another one is judged: the first page of its listing, by ``seq``."""
        return self._chains.heads

    def plan(self, entry: Entry) -> Plan:
        """Decide about one request; call it in the order of recording, after the verdict on the one before.

        Raises:
            CassetteError: The recording can't be read any more.
        """
        interaction = self._recording.read(entry)
        plan = Plan(interaction)
        if entry.seq in self.heads:
            plan.is_judged_elsewhere = True
            return plan
        method, params = interaction.method, interaction.params
        if interaction.outcome is not None:
            plan.skipped = f"it was {interaction.outcome} when it was recorded"
        elif (name := self._issued.missing(method, params)) is not None:
            plan.skipped = f"the server has not issued the {name} that it goes on with"
        elif (rule := self._revealer.hidden(params)) is not None:
            plan.skipped = f"its params have a secret that was redacted ({rule}); give it with --secret"
        if plan.skipped is not None:
            self._issued.learn(method, interaction.result, ABSENT)
            return plan
        plan.pages, plan.complete = self._chains.pages(entry), self._chains.is_complete(entry)
        self._issued.said(params)
        plan.params = self._revealed(entry.session, self._issued.rebound(method, params))
        self._redacted(entry.session, plan.params)  # what a request shows is known in its answer
        return plan

    def message(self, entry: MessageEntry) -> Message | None:
        """What a client has said outside any request, as it is said now; ``None`` if it can't be.

        Raises:
            CassetteError: The recording can't be read any more.
        """
        message = self._recording.read_message(entry)
        if message.method == "notifications/cancelled" or self._revealer.hidden(message.params):
            return None
        self._issued.said(message.params)
        params = self._revealed(entry.session, self._issued.rebound(message.method, message.params))
        return replace(message, params=params)

    def asked(self, session: int, seq: int | None, method: str, params: Json | None) -> Json | None:
        """Answer a server request as it was answered when it was recorded.

        Args:
            session: The recorded session that it is asked in.
            seq: The interaction that is being made, if one is.
            method: Its method.
            params: Its params.

        Returns:
            The recorded result; ``None`` where the client never gave an answer.

        Raises:
            RpcError: The recorded error, or that it was never asked then.
        """
        if method == "ping":
            return {}
        state = self._sessions[session]
        question = state.questions.find(seq, method)
        if question is None:
            text = f"the server asks {method}, which it did not when it was recorded"
            state.findings.append(Finding("difference", "$", text, live=params))
            raise RpcError.of(METHOD_NOT_FOUND, f"mcptap has no recorded answer to {method}")
        question.asked = True
        event = question.event
        live = self._redacted(session, params)
        state.findings += asked_findings(event, live, self._issued, self._ignored)
        if event.error is not None:
            raise RpcError(event.error)
        return self._revealed(session, self._issued.rebound(method, event.result))

    def redacted(self, session: int, outcome: Outcome) -> Outcome:
        """A live outcome as the cassette would have it."""
        if self._redactor is None:
            return outcome
        known = self._sessions[session].known
        value = self._redactor.value
        events = [
            replace(
                event,
                params=value(event.params, known),
                result=value(event.result, known),
                error=value(event.error, known),
            )
            for event in outcome.events
        ]
        result, error = value(outcome.result, known), value(outcome.error, known)
        return replace(outcome, events=events, result=result, error=error)

    def is_settled(self, plan: Plan, result: Json) -> bool:
        """Whether a task that is polled is as far as it was when it was recorded, or further."""
        recorded, live = (_status(each) for each in (plan.interaction.result, result))
        if plan.interaction.method != TASK_POLL or recorded is None:
            return True
        return recorded in (_AT_WORK, live) or live in _OVER

    def judge(self, session: int, plan: Plan, live: Sequence[Outcome]) -> Verdict:
        """Hold live outcomes against what was recorded.

        Args:
            session: The recorded session.
            plan: The request that was made.
            live: Its outcome, as `redacted` has given it; one for each page of a listing.

        Raises:
            CassetteError: The recording can't be read any more.
        """
        recorded, first = plan.interaction, live[0]
        method = recorded.method
        for interaction, outcome in zip(self._recorded_pages(plan), live, strict=False):
            answered = outcome.result if outcome.result is not None else ABSENT
            self._issued.learn(method, interaction.result, answered)
        notes = list(notes_of(recorded, first))
        if plan.pages and live[-1].result is not None and live[-1].failed is None:
            found = self._listing_findings(plan, live)
            if plan.complete and len(plan.pages) != len(live):
                notes.append(f"pages: recorded {len(plan.pages)}, live {len(live)}")
        elif method == TASK_POLL and first.result and _status(recorded.result) == _AT_WORK:
            found = []
            if (status := _status(first.result)) != _AT_WORK:
                notes.append(f"the task is {status} already")
        else:
            found = list(outcome_findings(recorded, live[-1], self._issued, self._ignored))
        self._issued.learn_uuids(recorded.result, first.result)
        return Verdict(
            seq=recorded.seq,
            session=session,
            method=method,
            target=target_of(method, recorded.params),
            findings=(*found, *self._asked_findings(session, recorded)),
            notes=tuple(notes),
            recorded_ms=recorded.ms,
            live_ms=first.ms,
        )

    def skipped(self, session: int, plan: Plan, why: str | None = None) -> Verdict:
        """The verdict on a request that isn't made."""
        recorded = plan.interaction
        target = target_of(recorded.method, recorded.params)
        return Verdict(recorded.seq, session, recorded.method, target, skipped=why or plan.skipped)

    def renewed(self, plan: Plan, live: Sequence[Outcome]) -> list[Interaction]:
        """The interactions of a request with the live answer in the place of the recorded one.

        What the server has issued is what it was, so that what follows in the cassette goes on with it.
        A listing keeps its pages where it has as many; where it has more now, the last recorded page has
        all the rest, and where it has fewer, the pages that nobody asks for any more stay as they are.

        Raises:
            CassetteError: The recording can't be read any more.
        """
        if any(outcome.failed is not None for outcome in live):
            return []
        recorded = list(self._recorded_pages(plan)) or [plan.interaction]
        method = plan.interaction.method
        if plan.complete and len(live) > len(recorded) and live[-1].result is not None:
            kept, rest = list(live[: len(recorded)]), live[len(recorded) - 1 :]
            member = KINDS[method].member
            items = [item for outcome in rest for item in (outcome.result or {}).get(member, ())]
            last = {name: value for name, value in (kept[-1].result or {}).items() if name != NEXT_CURSOR}
            live = [*kept[:-1], replace(kept[-1], result={**last, member: items})]
        return [
            replace(
                interaction,
                ms=outcome.ms,
                proxy_ms=None,
                result=self._issued.restored(method, outcome.result),
                error=outcome.error,
                events=tuple(outcome.events),
                trace_id=None,
                span_id=None,
            )
            for interaction, outcome in zip(recorded, live, strict=False)
        ]

    def _revealed(self, session: int, value: Any) -> Json | None:
        revealed: Json | None = self._revealer.revealed(value, self._sessions[session].known)
        return revealed

    def _redacted(self, session: int, value: Json | None) -> Any:
        if self._redactor is None:
            return value
        return self._redactor.value(value, self._sessions[session].known)

    def _recorded_pages(self, plan: Plan) -> Iterator[Interaction]:
        if not plan.pages:
            yield plan.interaction
        for entry in plan.pages:
            yield self._recording.read(entry)

    def _listing_findings(self, plan: Plan, live: Sequence[Outcome]) -> list[Finding]:
        return listing_findings(
            plan.interaction.method,
            [essential_result(interaction.result) for interaction in self._recorded_pages(plan)],
            [essential_result(outcome.result) for outcome in live],
            self._ignored,
            complete=plan.complete,
        )

    def _asked_findings(self, session: int, recorded: Interaction) -> list[Finding]:
        """What the server has asked otherwise than recorded, or not at all."""
        state = self._sessions[session]
        found, state.findings = state.findings, []
        for question in state.questions.not_asked(recorded.seq):
            text = f"the server doesn't ask {question.event.method} any more"
            found.append(Finding("difference", "$", text, recorded=question.event.params))
        return found

    def _read_through(self) -> None:
        """Find out in one reading which listings go over several pages, and what servers have asked."""
        for entry in self._recording.entries:
            interaction = self._recording.read(entry)
            self._chains.add(entry, interaction)
            self._sessions[entry.session].questions.add(interaction)
        for place in self._recording.messages:
            self._sessions[place.session].questions.add(self._recording.read_message(place))


def _status(result: Json | None) -> Any:
    """The status of the task in a result, however it stands there."""
    task = (result or {}).get("task")
    return (task if isinstance(task, dict) else result or {}).get("status")
