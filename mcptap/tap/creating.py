"""Making a tap for whatever it is to stand in for: a server however it is named, or its recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fastmcp.server.middleware import Middleware

from mcptap.cassette.index import CassetteIndex
from mcptap.cassette.reader import Cassette
from mcptap.cassette.writer import Fsync, WriteMode
from mcptap.matching.canonical import capabilities_of, key_of
from mcptap.player import Player
from mcptap.recording import OnWriteError, Recording
from mcptap.redaction.header import redactors_of
from mcptap.redaction.rules import BUILT_IN, parse_rules
from mcptap.tap.app import Tap, report_to_stderr
from mcptap.tap.backends.live import LiveBackend
from mcptap.tap.backends.replay import CassetteBackend
from mcptap.tap.bridge.making import Bridging
from mcptap.tap.target import TargetLike, upstream_of

if TYPE_CHECKING:
    from mcptap.telemetry.telemetry import Telemetry


def create_tap(
    target: TargetLike | Cassette | Sequence[Cassette],
    *,
    cassette: str | Path | None = None,
    name: str | None = None,
    mode: WriteMode = "all",
    fsync: Fsync = "interval",
    on_write_error: OnWriteError = "stop",
    headers: Mapping[str, str] | None = None,
    redaction: Sequence[str] = BUILT_IN,
    normalize: bool = False,
    middleware: Sequence[Middleware] = (),
    bridge: Bridging = None,
    report: Callable[[str], None] = report_to_stderr,
    telemetry: Telemetry | None = None,
) -> Tap:
    """Make a FastMCP server that stands in for another server, or for a recording of one.

    Args:
        target: The server (a URL, a command as a list or string, a path to a server script, a FastMCP
            client transport, an entry of ``mcpServers`` or a FastMCP server), or cassettes to replay.
        cassette: Where to record: a file, or a folder in which each run gets a file of its own.
        name: What the server is called in the recording and in FastMCP; its own name by default.
        mode: See `Recording`.
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
        report: Takes lines for the user, such as the explanation of a miss.
        telemetry: Where spans and metrics go; by default to the providers that the application has set.

    Raises:
        UsageError: ``target`` is nothing that can be connected to, or a redaction rule is none.
        CassetteError: A cassette to replay is damaged.
    """
    recording = None
    if cassette is not None:
        rules = parse_rules(redaction).names
        recording = Recording(Path(cassette), mode, fsync, on_write_error, rules, normalize)
    cassettes = _cassettes(target)
    if cassettes is not None:
        index = CassetteIndex.of(cassettes, key_of, capabilities_of)
        for each in cassettes:
            if each.torn_bytes:
                report(f"the torn end of {each.path} was ignored ({each.torn_bytes} bytes)")
        player = Player(index, redactors_of(each.header for each in cassettes))
        upstream_target = cassettes[0].header.upstream
        own_name = name or (upstream_target.name if upstream_target else "mcptap")
        return Tap(
            own_name,
            make_backend=lambda tap: CassetteBackend(player, tap.report),
            target=upstream_target,
            recording=recording,
            player=player,
            middleware=middleware,
            report=report,
            telemetry=telemetry,
            bridge=bridge,
            replayed_from=[each.path for each in cassettes],
        )
    upstream = upstream_of(target, name=name, headers=headers)  # type: ignore[arg-type]

    def live(tap: Tap) -> LiveBackend:
        return LiveBackend(
            upstream,
            on_lost=tap.lose,
            on_trouble=partial(tap.fail, stop=False),
            on_stray=tap.note_stray,
            report=tap.report,
            schema_of=tap.schemas.find,
        )

    return Tap(
        name or upstream.target.name,
        make_backend=live,
        target=upstream.target,
        recording=recording,
        player=None,
        middleware=middleware,
        report=report,
        telemetry=telemetry,
        bridge=bridge,
    )


def _cassettes(target: object) -> Sequence[Cassette] | None:
    if isinstance(target, Cassette):
        return [target]
    if isinstance(target, Sequence) and target and all(isinstance(item, Cassette) for item in target):
        return target
    return None
