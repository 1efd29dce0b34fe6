"""`mcptap replay`: serve a recording in place of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mcptap.cli.faults import fault_options
from mcptap.cli.options import (
    bridge_option,
    front_options,
    make_front,
    make_headers,
    make_target,
    target_options,
    ui_option,
)
from mcptap.cli.serving import make_view, quiet_libraries, run
from mcptap.cli.telemetry import TelemetryOptions, telemetry_options


@click.command("replay")
@click.argument("cassette", type=click.Path(path_type=Path))
@target_options
@click.option("--fail-on-unused", is_flag=True, help="Exit 1 if recorded requests were not made.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="JSONPATH",
    help="What may differ in a request's params, such as '$.arguments.timestamp'.",
)
@click.option(
    "--match",
    multiple=True,
    metavar="sequence|MODULE:FUNCTION",
    help="Hold clients to the recorded order, or compare what a function of yours makes of the params.",
)
@click.option(
    "--repeats",
    type=click.Choice(["last", "error", "cycle"]),
    default="last",
    show_default=True,
    help="What a request gets after its last recorded answer: that again, a miss, or all of them anew.",
)
@click.option(
    "--timing",
    default="none",
    show_default=True,
    metavar="none|recorded|FACTOR",
    help="Answer at once, after the recorded time, or after so many times that.",
)
@click.option(
    "--on-miss",
    type=click.Choice(["error", "forward", "record"]),
    default="error",
    show_default=True,
    help="Where there is no recorded answer: say so, ask the server that is named by --url or after --, or "
    "ask it and add that to the cassette.",
)
@bridge_option
@fault_options
@click.option("--print-config", is_flag=True, help="Print an mcpServers entry that serves it, and end.")
@front_options
@telemetry_options
@ui_option
def command(
    *,
    cassette: Path,
    fail_on_unused: bool,
    ignore: tuple[str, ...],
    match: tuple[str, ...],
    repeats: Any,
    timing: str,
    on_miss: str,
    url: str | None,
    url_transport: str | None,
    headers: tuple[str, ...],
    name: str | None,
    server: tuple[str, ...],
    bridge: Any,
    faults: dict[str, Any],
    print_config: bool,
    transport: str,
    host: str,
    port: int,
    path: str | None,
    ui: bool,
    debug: bool,
    telemetry: TelemetryOptions,
) -> int:
    r"""Serve CASSETTE, or all cassettes of a folder, in place of the server that they were recorded from.

    A request that the recording doesn't have gets an error that explains itself, and exit code 1.

    \b
    mcptap replay time.jsonl
    mcptap replay rec.jsonl --transport http --port 3000
    mcptap replay time.jsonl --print-config
    mcptap replay time.jsonl --on-miss record -- mcp-server-time
    """
    if on_miss == "error" and (url or server):
        raise click.UsageError("a server is asked only with --on-miss forward or --on-miss record")
    front = make_front(transport, host, port, path)
    if print_config:
        from mcptap.cli.printing import print_entry  # noqa: PLC0415 - only when it is asked for

        print_entry(cassette, front)
        return 0
    fallback = None if on_miss == "error" else make_target(url, server, url_transport)
    if on_miss == "record" and cassette.is_dir():
        raise click.UsageError(f"{cassette} is a folder: name the cassette that --on-miss record adds to")
    from mcptap.cassette.opening import open_all  # noqa: PLC0415 - only when it runs

    with quiet_libraries(debug=debug):
        observed = telemetry.set_up(front)
        from mcptap.tap.creating import create_tap  # noqa: PLC0415 - imports FastMCP

    view = make_view(front) if ui else None
    cassettes = open_all(cassette)
    tap = create_tap(
        cassettes,
        cassette=cassette if on_miss == "record" else None,
        redaction=cassettes[0].header.redaction,
        fallback=fallback,
        name=name,
        headers=make_headers(headers),
        middleware=view.middleware if view else (),
        bridge=bridge,
        ignore=ignore,
        match=match,
        repeats=repeats,
        timing=timing,
        telemetry=observed,
        **faults,
    )
    return run(tap, front, fail_on_unused=fail_on_unused, view=view)
