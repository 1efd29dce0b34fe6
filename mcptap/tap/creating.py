"""Making a tap for whatever it is to stand in for: a server however it is named, or its recording."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fastmcp.server.middleware import Middleware

from mcptap.cassette.reader import Cassette, open_cassette
from mcptap.cassette.writer import Fsync
from mcptap.errors import UsageError
from mcptap.exchange import Backend
from mcptap.faults import Fault, FaultPlan, parse_fault
from mcptap.matching.columns import PLAIN
from mcptap.matching.rules import Matcher, parse_matching
from mcptap.modes import Plan, RecordMode, plan_of
from mcptap.player import Repeats
from mcptap.recording import OnWriteError, OpenRecording, Recording
from mcptap.redaction.rules import BUILT_IN, parse_rules
from mcptap.replayed import Replayed, replayed
from mcptap.tap.app import Tap, report_to_stderr
from mcptap.tap.backends.fallback import Fallback
from mcptap.tap.backends.live import LiveBackend, Upstream
from mcptap.tap.backends.pace import Timing, parse_timing
from mcptap.tap.backends.recorded import Recorded
from mcptap.tap.backends.replay import CassetteBackend
from mcptap.tap.bridge.making import Bridging
from mcptap.tap.screen import look_of
from mcptap.tap.target import TargetLike, upstream_of

if TYPE_CHECKING:
    from mcptap.telemetry.telemetry import Telemetry


def create_tap(
    target: TargetLike | Cassette | Sequence[Cassette],
    *,
    cassette: str | Path | None = None,
    name: str | None = None,
    mode: RecordMode = "all",
    fallback: TargetLike | None = None,
    fsync: Fsync = "interval",
    on_write_error: OnWriteError = "stop",
    headers: Mapping[str, str] | None = None,
    redaction: Sequence[str] = BUILT_IN,
    normalize: bool = False,
    middleware: Sequence[Middleware] = (),
    bridge: Bridging = None,
    ignore: str | Sequence[str] = (),
    match: str | Matcher | Sequence[str | Matcher] = (),
    repeats: Repeats = "last",
    timing: Timing = "none",
    faults: str | Sequence[str | Fault] = (),
    seed: int | None = None,
    report: Callable[[str], None] = report_to_stderr,
    telemetry: Telemetry | None = None,
) -> Tap:
    """Make a FastMCP server that stands in for another server, or for a recording of one.

    Args:
        target: The server (a URL, a command as a list or string, a path to a server script, a FastMCP
            client transport, an entry of ``mcpServers`` or a FastMCP server), or cassettes to replay.
        cassette: Where to record: a file, or a folder in which each run gets a file of its own.
        name: What the server is called in the recording and in FastMCP; its own name by default.
        mode: What to do where the cassette is there already, or isn't (see `RecordMode`).
        fallback: The server that is asked, beside cassettes to replay, for what those don't have; only
            its answers are recorded then.
        fsync: See `Recording`.
        on_write_error: See `Recording`.
        headers: Sent with every request to an HTTP server.
        redaction: See `Recording`.
        normalize: See `Recording`.
        middleware: Further FastMCP middleware; it sees raw messages (``on_message``, ``on_request``
            and ``on_notification``) inside what is recorded.
        bridge: ``auto`` lets clients of one protocol era use a server of the other, and ``off`` doesn't.
            By default a live server's client is bridged that doesn't fall back by itself, and no
            recording's.
        ignore: What a live request may differ in from the recorded one, as JSONPaths from the params.
        match: ``sequence`` for the order of the recording, and matchers of your own: functions, or their
            entry points as ``module:function`` (see `mcptap.matching.rules.Matcher`).
        repeats: What a request gets that is made more often than it was recorded: the ``last`` answer, an
            ``error``, or all of them anew (``cycle``).
        timing: When it gets it: at once (``none``), after the ``recorded`` time, or after so many times that.
        faults: What goes wrong on purpose, such as ``tools/call:search error=-32000 p=0.2``; see
            `mcptap.faults.parse_fault`.
        seed: What the faults follow from; a random one by default, which is reported.
        report: Takes lines for the user, such as the explanation of a miss.
        telemetry: Where spans and metrics go; by default to the providers that the application has set.

    Raises:
        UsageError: ``target`` is nothing that can be connected to, or a rule is none.
        CassetteError: A cassette to replay is damaged or absent.
    """
    cassettes, live = _cassettes(target), fallback
    plan = Plan(replays=False, write="all")
    if cassettes is None:
        live = target  # type: ignore[assignment]
        if cassette is not None:
            plan = plan_of(mode, Path(cassette))
        if plan.replays:
            cassettes = [open_cassette(cassette or "")]
            live = live if plan.write else None
    recording = None
    if cassette is not None and plan.write is not None:
        rules = parse_rules(redaction).names
        recording = Recording(Path(cassette), plan.write, fsync, on_write_error, rules, normalize)
    rules_given = ignore or match or repeats != "last" or timing != "none"
    if rules_given and cassettes is None and mode in ("all", "rewrite"):
        what = "ignore, match, repeats and timing are for a replay"
        raise UsageError(what, "give them with a cassette to replay")
    replaying = partial(
        replayed, matching=parse_matching(ignore, match), repeats=repeats, timing=parse_timing(timing)
    )
    return assemble(
        None if cassettes is None else replaying(cassettes, report),
        None if live is None else upstream_of(live, name=name, headers=headers),
        recording=recording,
        name=name,
        middleware=middleware,
        bridge=bridge,
        faults=_plan_of(faults, seed, report),
        report=report,
        telemetry=telemetry,
    )


def assemble(
    recorded: Replayed | None,
    upstream: Upstream | None,
    *,
    recording: Recording | OpenRecording | None = None,
    name: str | None = None,
    middleware: Sequence[Middleware] = (),
    bridge: Bridging = None,
    faults: FaultPlan | None = None,
    report: Callable[[str], None] = report_to_stderr,
    telemetry: Telemetry | None = None,
) -> Tap:
    """Make a tap of its parts: a recording, a real server, or both, where the recording is asked first.

    Args:
        recorded: The recording.
        upstream: The real server.
        recording: Where to record: all that clients get or, of both, only what the real server says.
        name: See `create_tap`, as for the others.
        middleware: Further middleware.
        bridge: Between the protocol eras.
        faults: What goes wrong on purpose.
        report: Takes lines for the user.
        telemetry: Where spans and metrics go.
    """

    def live(tap: Tap, server: Upstream) -> LiveBackend:
        return LiveBackend(
            server,
            on_lost=tap.lose,
            on_trouble=partial(tap.fail, stop=False),
            on_stray=tap.note_stray,
            report=tap.report,
            schema_of=tap.schemas.find,
        )

    def make_backend(tap: Tap) -> Backend:
        if recorded is None:
            assert upstream is not None  # noqa: S101 - there is one of the two
            return live(tap, upstream)
        look = look_of(sys.stderr) if report is report_to_stderr else PLAIN
        from_cassette = CassetteBackend(
            recorded.player, tap.report, partial(tap.fail, stop=False), look, recorded.timing
        )
        if upstream is None:
            return from_cassette
        server = live(tap, upstream)
        return Fallback(
            from_cassette, server if tap.recorder is None else Recorded(server, tap.recorder), tap.report
        )

    if isinstance(recording, Recording) and upstream is not None:
        recording = replace(recording, given=upstream.given)
    target = upstream.target if recorded is None and upstream else None
    if recorded is not None:
        target = recorded.cassettes[0].header.upstream
    return Tap(
        name or (target.name if target else "mcptap"),
        make_backend=make_backend,
        target=target,
        recording=recording,
        records_all=recorded is None or upstream is None,
        player=recorded.player if recorded is not None else None,
        middleware=middleware,
        report=report,
        telemetry=telemetry,
        bridge=bridge,
        faults=faults,
        replayed_from=[each.path for each in recorded.cassettes] if recorded is not None else (),
    )


def _plan_of(
    faults: str | Sequence[str | Fault], seed: int | None, report: Callable[[str], None]
) -> FaultPlan | None:
    wanted = [faults] if isinstance(faults, str) else faults
    if not wanted:
        return None
    if seed is None:
        seed = secrets.randbelow(1 << 32)
    report(f"faults by seed {seed}: the same go wrong again with --seed {seed}")
    return FaultPlan(tuple(parse_fault(each) if isinstance(each, str) else each for each in wanted), seed)


def _cassettes(target: object) -> Sequence[Cassette] | None:
    if isinstance(target, Cassette):
        return [target]
    if isinstance(target, Sequence) and target and all(isinstance(item, Cassette) for item in target):
        return target
    return None
