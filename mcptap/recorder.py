"""The recorder: what happens goes in, the lines of a cassette come out.

It does no I/O of its own: lines go to a sink, and the time is read from the clock that it is given.
Nothing that it is told is passed on before its line was taken by the sink (durable before visible).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, Protocol
from weakref import WeakKeyDictionary

from mcptap.cassette import format as lines
from mcptap.errors import RecordingError
from mcptap.exchange import Exchange, Session
from mcptap.model import Event, Gap, Interaction, Json, Message, Outcome, SessionStart, Side
from mcptap.redaction.redactor import Redactor

OPEN_AFTER: Final = 1.0
"""Seconds after which an interaction without an outcome is written as begin, event and end lines."""


class Sink(Protocol):
    """Takes one line at a time."""

    def append(self, line: Mapping[str, Any]) -> int:
        """Write one line and return its size in bytes.

        Raises:
            RecordingError: The line could not be written; nothing of it is left behind.
        """


class Recorder:
    """Turns exchanges into cassette lines.

    Args:
        sink: Where the lines go.
        first_seq: The number of the first interaction.
        first_session: The number of the first session.
        elapsed: Seconds between the cassette's header and now; more than 0 where a run is appended.
        started_at: The wall clock of an appended run, RFC 3339; ``None`` for the cassette's first.
        on_write_error: ``stop`` raises; ``continue`` goes on and marks a gap as soon as it can.
        on_failure: Told of every line that could not be written.
        clock: Seconds, monotonic; the same clock as `Exchange.sent_at`.
        path: The cassette, where the lines go to one.
        redactor: What the sink takes secrets out with, if it does.

    Attributes:
        recorded: How many interactions have been written.
        written: How many lines have been, and
        written_bytes: how many bytes those have.
        lost: How many lines have not been written.
        failure: The first write error, if there was one.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        first_seq: int = 1,
        first_session: int = 1,
        elapsed: float = 0.0,
        started_at: str | None = None,
        on_write_error: Literal["stop", "continue"] = "stop",
        on_failure: Callable[[RecordingError], None] = lambda _: None,
        clock: Callable[[], float] = time.perf_counter,
        path: Path | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self.path = path
        self.redactor = redactor
        self._sink = sink
        self._clock = clock
        self._zero = clock() - elapsed
        self._next_seq = first_seq
        self._next_session = first_session
        self._started_at = started_at
        self._on_write_error = on_write_error
        self._on_failure = on_failure
        self._sessions: WeakKeyDictionary[Session, int] = WeakKeyDictionary()
        self._open: dict[int, OpenInteraction] = {}
        self._unmarked = 0
        self.recorded = 0
        self.written = 0
        self.written_bytes = 0
        self.lost = 0
        self.failure: RecordingError | None = None

    def begin(self, exchange: Exchange) -> OpenInteraction:
        """Note that a request arrived; its number says in which order requests did.

        Raises:
            RecordingError: The session's line could not be written.
        """
        opened = OpenInteraction(
            recorder=self,
            seq=self._next_seq,
            session=self._session(exchange.session),
            arrived=self._clock(),
            method=exchange.method,
            params=exchange.params,
            exchange=exchange,
        )
        if exchange.span is not None:
            opened.trace_id, opened.span_id = exchange.span.trace_id, exchange.span.span_id
        exchange.notes["seq"] = opened.seq
        self._next_seq += 1
        self._open[opened.seq] = opened
        return opened

    def message(
        self,
        session: Session,
        source: Side,
        method: str,
        params: Json | None,
        *,
        result: Json | None = None,
        error: Json | None = None,
        ms: float | None = None,
    ) -> None:
        """Record a notification or a server request (with the client's answer) outside any request.

        Raises:
            RecordingError: The line could not be written.
        """
        number = self._session(session)
        self.write(lines.message_line(Message(number, self.now(), source, method, params, result, error, ms)))

    def still_open(self, opened: OpenInteraction) -> None:
        """Write the beginning of an interaction, `OPEN_AFTER` seconds after it, unless it has ended.

        Whoever waits for those seconds has waited for them: another clock may say that they aren't over.

        Raises:
            RecordingError: A line could not be written.
        """
        if opened.seq in self._open:
            opened.write_begin()

    def close(self) -> None:
        """Record whatever is still open as unanswered.

        Raises:
            RecordingError: A line could not be written.
        """
        for opened in list(self._open.values()):
            opened.finish(outcome="unanswered")
        if self._unmarked:
            self._mark_gap()

    def now(self) -> float:
        """Seconds since the cassette's header."""
        return self._clock() - self._zero

    def at(self, clock: float) -> float:
        """A reading of the clock as seconds since the cassette's header."""
        return clock - self._zero

    def write(self, line: Mapping[str, Any]) -> None:
        """Give one line to the sink, after marking what was lost before it.

        Raises:
            RecordingError: The line could not be written, and the recorder is to stop then.
        """
        if self._unmarked:
            self._mark_gap()
        try:
            self.written_bytes += self._sink.append(line)
            self.written += 1
        except RecordingError as error:
            self.failure = self.failure or error
            self.lost += 1
            self._unmarked += 1
            self._on_failure(error)
            if self._on_write_error == "stop":
                raise

    def is_open(self, opened: OpenInteraction) -> bool:
        """Whether an interaction has no outcome yet."""
        return opened.seq in self._open

    def closed(self, opened: OpenInteraction) -> None:
        """Forget an interaction that has its outcome."""
        self._open.pop(opened.seq, None)
        self.recorded += 1

    def _session(self, session: Session) -> int:
        number = self._sessions.get(session)
        if number is None:
            number = self._sessions[session] = self._next_session
            self._next_session += 1
            start = SessionStart(
                session=number,
                at=self.now(),
                era=session.era,
                transport=session.transport,
                client=session.client,
                started_at=self._started_at,
            )
            self.write(lines.session_line(start))
        return number

    def _mark_gap(self) -> None:
        try:
            why = self.failure.message if self.failure else ""
            self._sink.append(lines.gap_line(Gap(self.now(), self._unmarked, why)))
        except RecordingError:
            return
        self._unmarked = 0


@dataclass(slots=True, eq=False)
class OpenInteraction:
    """An interaction without its outcome yet. `Recorder.begin` makes it.

    ``lost`` says that a line of it could not be written.
    """

    recorder: Recorder
    seq: int
    session: int
    arrived: float
    method: str
    params: Json | None
    exchange: Exchange | None
    events: list[Event] = field(default_factory=list)
    asking: list[Event] = field(default_factory=list)
    begun: bool = False
    lost: bool = False
    trace_id: str | None = None
    span_id: str | None = None

    def elapsed_ms(self) -> float:
        """Milliseconds since the request arrived."""
        return (self.recorder.now() - self.recorder.at(self.arrived)) * 1000

    def event(self, source: Side, method: str, params: Json | None) -> None:
        """Note a notification inside the request.

        Args:
            source: Who sent it.
            method: Its method.
            params: Its params.

        Raises:
            RecordingError: The line could not be written.
        """
        self._note(Event(self.elapsed_ms(), source, method, params))

    def asked(self, method: str, params: Json | None) -> Event:
        """Learn that the server asks the client inside the request.

        It is noted with its answer (`answered`), or with the outcome of the request if that comes first.
        """
        asking = Event(self.elapsed_ms(), "server", method, params)
        self.asking.append(asking)
        return asking

    def answered(self, asking: Event, *, result: Json | None = None, error: Json | None = None) -> None:
        """Note a server request and the client's answer; neither where it never gave one.

        Args:
            asking: What `asked` has given.
            result: The client's result,
            error: or its error.

        Raises:
            RecordingError: The line could not be written.
        """
        if asking in self.asking:
            self.asking.remove(asking)
            took = self.elapsed_ms() - asking.at_ms
            self._note(replace(asking, result=result, error=error, ms=took))

    def _note(self, event: Event) -> None:
        if self.begun:
            self._write(lines.event_line(self.seq, event))
        else:
            self.events.append(event)

    def finish(
        self,
        *,
        result: Json | None = None,
        error: Json | None = None,
        outcome: Outcome | None = None,
        upstream_ms: float | None = None,
    ) -> None:
        """Record the outcome, before the client learns of it.

        Args:
            result: The raw result,
            error: or the raw error,
            outcome: or why there is neither.
            upstream_ms: From sending the request upstream to its answer; ``None`` if there was none.

        Raises:
            RecordingError: The line could not be written, or the recording was closed before, with
                this as unanswered: nobody may see another outcome then.
        """
        if not self.recorder.is_open(self):
            if outcome is None:
                raise RecordingError("the recording has ended")
            return
        for asking in list(self.asking):
            self.answered(asking)
        total, waited = self.elapsed_ms(), upstream_ms
        if self.exchange is not None:
            if outcome is not None:
                waited = self._waited_ms(self.exchange)
                self.exchange.notes["outcome"] = outcome
            self.exchange = None  # it would hold this, and this it, until a collection
        whole = Interaction(
            seq=self.seq,
            session=self.session,
            at=self.recorder.at(self.arrived),
            method=self.method,
            params=self.params,
            ms=upstream_ms,
            proxy_ms=total if waited is None else max(0.0, total - waited),
            result=result,
            error=error,
            outcome=outcome,
            events=tuple(sorted(self.events, key=lambda event: event.at_ms)),
            trace_id=self.trace_id,
            span_id=self.span_id,
        )
        self.recorder.closed(self)
        self._write(lines.end_line(whole) if self.begun else lines.interaction_line(whole))

    def _waited_ms(self, exchange: Exchange) -> float | None:
        """How long the server let a request wait that it has not answered."""
        if exchange.sent_at is None:
            return None
        until = (
            self.recorder.now() if exchange.answered_at is None else self.recorder.at(exchange.answered_at)
        )
        return (until - self.recorder.at(exchange.sent_at)) * 1000

    def write_begin(self) -> None:
        """Write the request and what has happened in it so far; what follows gets lines of its own.

        Raises:
            RecordingError: A line could not be written.
        """
        self.begun = True
        self._write(
            lines.begin_line(
                Interaction(
                    seq=self.seq,
                    session=self.session,
                    at=self.recorder.at(self.arrived),
                    method=self.method,
                    params=self.params,
                    trace_id=self.trace_id,
                    span_id=self.span_id,
                )
            )
        )
        for event in self.events:
            self._write(lines.event_line(self.seq, event))
        self.events.clear()

    def _write(self, line: Mapping[str, Any]) -> None:
        lost = self.recorder.lost
        try:
            self.recorder.write(line)
        finally:
            self.lost = self.lost or self.recorder.lost > lost
