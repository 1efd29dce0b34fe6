"""Making recorded requests again, at whatever backend, and telling how they went."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup, TaskStatus

from mcptap.cassette.index import CassetteIndex, Entry
from mcptap.comparing.finding import Verdict
from mcptap.comparing.listings import NEXT_CURSOR
from mcptap.comparing.outcomes import Outcome
from mcptap.errors import McptapError, UpstreamError
from mcptap.exchange import Backend, BackendSession, Exchange, RpcError, Session, UnansweredError
from mcptap.listing_chains import client_messages
from mcptap.model import Event, Interaction, Json, SessionStart
from mcptap.tap.app import report_to_stderr
from mcptap.tap.backends.live import LiveBackend
from mcptap.tap.hop import SchemaBook
from mcptap.tap.target import TargetLike, upstream_of
from mcptap.verifier import Plan, Verifier

_FACTOR: Final = 10.0
_PATIENCE: Final = 30.0
_MOST_FAILURES: Final = 3
_MOST_PAGES: Final = 1_000
_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 1.0

Renewed = Callable[[], list[Interaction]]
"""Gives the interactions of a request with the live answer in the place of the recorded one."""


async def verify(
    backend: Backend,
    recording: CassetteIndex,
    verifier: Verifier,
    on_verdict: Callable[[Verdict, Renewed], None],
    *,
    learn: Callable[[Json], None] = lambda _: None,
    until: int | None = None,
    patience: float = _PATIENCE,
) -> None:
    """Make the requests of a recording again, one after the other in the order in which they arrived.

    Args:
        backend: What answers.
        recording: The cassette.
        verifier: Decides and judges.
        on_verdict: Told of every verdict, with what renews its interactions.
        learn: Told of the live results of ``tools/list``, which say what is mirrored in headers.
        until: The last interaction to make; all by default.
        patience: Seconds that a request may take at least; one that took long when it was recorded may
            take ten times that.

    Raises:
        UpstreamError: No request has got an answer.
        CassetteError: The recording can't be read any more.
    """
    entries = [entry for entry in recording.entries if until is None or entry.seq <= until]
    async with anyio.create_task_group() as tasks:
        run = _Run(backend, verifier, recording, tasks, learn, patience)
        for entry, is_last in run.in_order(entries):
            plan = verifier.plan(entry)
            for message in run.before(entry):
                await run.say(entry, message.method, message.params)
            if plan.skipped is not None:
                on_verdict(verifier.skipped(entry.session, plan), list)
            elif not plan.is_judged_elsewhere:
                await run.make(entry, plan, on_verdict)
            if is_last:
                run.close(entry)
        tasks.cancel_scope.cancel()
    if run.failure is not None and not run.answered:
        raise run.failure


async def verify_live(
    target: TargetLike,
    recording: CassetteIndex,
    verifier: Verifier,
    on_verdict: Callable[[Verdict, Renewed], None],
    *,
    headers: Mapping[str, str] | None = None,
    report: Callable[[str], None] = report_to_stderr,
    until: int | None = None,
) -> None:
    """Make the requests of a recording again at a real server; see `verify`.

    Args:
        target: The server, named as for `create_tap`.
        recording: The cassette.
        verifier: Decides and judges.
        on_verdict: See `verify`.
        headers: Sent with every request to an HTTP server.
        report: Takes lines for the user.
        until: See `verify`.

    Raises:
        UpstreamError: It can't be reached, or no request has got an answer.
        UsageError: ``target`` is nothing that can be connected to.
        CassetteError: The recording can't be read any more.
    """
    schemas = SchemaBook()
    upstream = upstream_of(target, headers=headers)
    await upstream.check()
    backend = LiveBackend(
        upstream,
        on_lost=lambda *_: None,  # the requests that wait for it say so
        on_trouble=lambda _: None,
        on_stray=lambda *_: None,
        report=report,
        schema_of=schemas.find,
    )
    async with backend:
        await verify(backend, recording, verifier, on_verdict, learn=schemas.learn, until=until)


@dataclass(eq=False)
class _Connection:
    """The live sessions that share a connection, as their clients did when they were recorded."""

    key: Hashable
    sessions: dict[int, tuple[BackendSession, Session]] = field(default_factory=dict)
    current: dict[int, int] = field(default_factory=dict)
    over: anyio.Event = field(default_factory=anyio.Event)
    failures: int = 0


class _Run:
    def __init__(
        self,
        backend: Backend,
        verifier: Verifier,
        recording: CassetteIndex,
        tasks: TaskGroup,
        learn: Callable[[Json], None],
        patience: float,
    ) -> None:
        self._backend = backend
        self._verifier = verifier
        self._tasks = tasks
        self._learn = learn
        self._patience = patience
        self._messages = client_messages(recording)
        self._starts = {start.session: start for start in recording.sessions}
        self._connections: dict[Hashable, _Connection] = {}
        self.answered = False
        self.failure: UpstreamError | None = None

    def in_order(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, bool]]:
        """Every request, and whether it is the last on its connection."""
        last = {self._key(entry): entry for entry in entries}
        return ((entry, last[self._key(entry)] is entry) for entry in entries)

    def before(self, entry: Entry) -> Iterator[Any]:
        """What the client says before a request."""
        said = (self._verifier.message(message) for message in self._messages.get(entry, ()))
        return (message for message in said if message is not None)

    async def say(self, entry: Entry, method: str, params: Json | None) -> None:
        """Send a notification."""
        try:
            backend_session, _ = await self._opened(entry)
        except McptapError:
            return  # the request that follows tells of it
        with anyio.move_on_after(self._patience):
            await backend_session.notify(method, params)

    async def make(self, entry: Entry, plan: Plan, on_verdict: Callable[[Verdict, Renewed], None]) -> None:
        """Make one request, with all the pages that follow it."""
        connection = self._connection(entry)
        if connection.failures >= _MOST_FAILURES:
            why = "the server had not answered several requests before it"
            on_verdict(self._verifier.skipped(entry.session, plan, why), list)
            return
        live = [await self._ask(entry, plan, plan.params)]
        seen = set[Any]()
        while plan.pages and (cursor := _next_cursor(live[-1])) is not None:
            if cursor in seen or len(live) >= _MOST_PAGES:
                live[-1].failed = "its pages have no end"
                break
            seen.add(cursor)
            live.append(await self._ask(entry, plan, {**(plan.params or {}), "cursor": cursor}))
        failed = next((outcome.failed for outcome in live if outcome.failed is not None), None)
        connection.failures = connection.failures + 1 if failed is not None else 0
        self.answered = self.answered or live[0].failed is None
        if failed is not None and self.failure is None:
            self.failure = UpstreamError(failed, "run it by itself to see why")
        verdict = self._verifier.judge(entry.session, plan, live)
        on_verdict(verdict, partial(self._verifier.renewed, plan, live))

    def close(self, entry: Entry) -> None:
        """Close the connection of a request."""
        self._connection(entry).over.set()

    async def _ask(self, entry: Entry, plan: Plan, params: Json | None) -> Outcome:
        """Send a request until it is answered as far as it was; a task is polled until it is as far."""
        limit = max(self._patience, _FACTOR * (plan.interaction.ms or 0.0) / 1000)
        outcome = Outcome()
        with anyio.move_on_after(limit) as scope:
            while True:
                outcome = Outcome()
                await self._send(entry, plan, params, outcome)
                if outcome.result is None or self._verifier.is_settled(plan, outcome.result):
                    break
                await anyio.sleep(_pause(outcome.result))
        if scope.cancelled_caught:
            outcome.result = outcome.error = None
            outcome.failed = f"none within {limit:g} s"
        return self._verifier.redacted(entry.session, outcome)

    async def _send(self, entry: Entry, plan: Plan, params: Json | None, outcome: Outcome) -> None:
        began = time.perf_counter()
        try:
            backend_session, session = await self._opened(entry)
            channel = _Channel(self._verifier, entry.session, lambda: entry.seq, outcome.events)
            exchange = Exchange(session, plan.interaction.method, params, channel, id=entry.seq)
            outcome.result = await backend_session.request(exchange)
            if exchange.method == "tools/list":
                self._learn(outcome.result)
        except UnansweredError as error:
            outcome.failed = str(error)
        except RpcError as error:
            outcome.error = error.error
        except McptapError as error:
            outcome.failed = error.message
        finally:
            outcome.ms = (time.perf_counter() - began) * 1000

    async def _opened(self, entry: Entry) -> tuple[BackendSession, Session]:
        """The live session of a request, opened with its first."""
        connection = self._connection(entry)
        connection.current[entry.session] = entry.seq
        found = connection.sessions.get(entry.session)
        if found is None:
            found = await self._tasks.start(self._hold, connection, entry)
            connection.sessions[entry.session] = found
        return found

    async def _hold(
        self,
        connection: _Connection,
        entry: Entry,
        *,
        task_status: TaskStatus[tuple[BackendSession, Session]],
    ) -> None:
        """Hold one session: what it is made of must be left by the task that entered it."""
        start = self._starts.get(entry.session)
        number = entry.session
        channel = _Channel(self._verifier, number, lambda: connection.current.get(number), [])
        session = Session(entry.era, "memory", start.client if start else None, channel, connection)
        async with self._backend.session(session) as opened:
            task_status.started((opened, session))
            await connection.over.wait()

    def _connection(self, entry: Entry) -> _Connection:
        key = self._key(entry)
        return self._connections.setdefault(key, _Connection(key))

    def _key(self, entry: Entry) -> Hashable:
        """What the sessions have in common that shared a connection to the server when they were recorded.

        A client on stdio may probe with one era and go on in the other; stateless clients over HTTP are
        not told apart.
        """
        start: SessionStart | None = self._starts.get(entry.session)
        if start is None or not (
            start.transport == "stdio" or (start.era, start.transport) == ("modern", "http")
        ):
            return entry.session
        return start.transport, start.started_at


class _Channel:
    """The client's side of a live request or session: it answers as the recorded client did."""

    def __init__(
        self, verifier: Verifier, session: int, seq: Callable[[], int | None], events: list[Event]
    ) -> None:
        self._verifier = verifier
        self._session = session
        self._seq = seq
        self._events = events
        self._began = time.perf_counter()

    async def notify(self, method: str, params: Json | None) -> None:
        """Take a notification."""
        self._events.append(Event(self._elapsed_ms(), "server", method, params))

    async def ask(self, method: str, params: Json | None) -> Json:
        """Answer a server request, or leave it unanswered, as it was when it was recorded."""
        began = self._elapsed_ms()
        result: Json | None = None
        error: Json | None = None
        try:
            result = self._verifier.asked(self._session, self._seq(), method, params)
            if result is None:
                await anyio.sleep_forever()
        except RpcError as refused:
            error = refused.error
            raise
        else:
            return result or {}
        finally:
            ms = self._elapsed_ms() - began
            self._events.append(Event(began, "server", method, params, result, error, ms))

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._began) * 1000


def _next_cursor(outcome: Outcome) -> str | None:
    cursor = (outcome.result or {}).get(NEXT_CURSOR)
    return cursor if isinstance(cursor, str) and outcome.failed is None else None


def _pause(result: Json) -> float:
    """Seconds until a task is looked at again: as its server wishes, within reason."""
    task = result.get("task")
    interval = (task if isinstance(task, dict) else result).get("pollInterval")
    wished = interval / 1000 if isinstance(interval, (int, float)) else _PAUSE
    return min(max(wished, _PAUSE / 4), _LONGEST_PAUSE)
