"""`mcptap replay`: serve a recording in place of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mcptap.cli.options import bridge_option, front_options, make_front, ui_option
from mcptap.cli.serving import make_view, quiet_libraries, run
from mcptap.cli.telemetry import TelemetryOptions, telemetry_options


@click.command("replay")
@click.argument("cassette", type=click.Path(path_type=Path))
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
@bridge_option
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
    bridge: Any,
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
    """
    front = make_front(transport, host, port, path)
    if print_config:
        from mcptap.cli.printing import print_entry  # noqa: PLC0415 - only when it is asked for

        print_entry(cassette, front)
        return 0
    from mcptap.cassette.opening import open_all  # noqa: PLC0415 - only when it runs

    with quiet_libraries(debug=debug):
        observed = telemetry.set_up(front)
        from mcptap.tap.creating import create_tap  # noqa: PLC0415 - imports FastMCP

    view = make_view(front) if ui else None
    tap = create_tap(
        open_all(cassette),
        middleware=view.middleware if view else (),
        bridge=bridge,
        ignore=ignore,
        match=match,
        repeats=repeats,
        telemetry=observed,
    )
    return run(tap, front, fail_on_unused=fail_on_unused, view=view)
