"""`mcptap record`: stand in for a server and record what goes through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mcptap.cli.faults import fault_options
from mcptap.cli.many import config_options, run_config
from mcptap.cli.options import (
    bridge_option,
    front_options,
    make_front,
    make_headers,
    make_redaction,
    make_target,
    redaction_options,
    target_options,
    ui_option,
)
from mcptap.cli.serving import make_view, quiet_libraries, require_command, run
from mcptap.cli.telemetry import TelemetryOptions, telemetry_options


@click.command("record")
@target_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("recordings"),
    show_default=True,
    help="The cassette, or a folder in which each run gets a cassette of its own.",
)
@click.option(
    "--mode",
    type=click.Choice(["all", "once", "new-episodes", "none", "rewrite"]),
    default="all",
    show_default=True,
    help="Where the cassette is there: append to it (all), replay it (once), replay it and record what it "
    "doesn't have (new-episodes), or replace it at the end (rewrite). none replays, and never records.",
)
@click.option(
    "--fsync",
    type=click.Choice(["always", "interval", "never"]),
    default="interval",
    show_default=True,
    help="What survives a power loss: every line, all but the last second, or what the system wrote.",
)
@click.option(
    "--on-write-error",
    type=click.Choice(["stop", "continue"]),
    default="stop",
    show_default=True,
    help="When the disk is full: stop, or go on and mark the gap.",
)
@redaction_options
@click.option(
    "--normalize", is_flag=True, help="Take times and ids out at the end, so that two runs compare."
)
@bridge_option
@fault_options
@config_options
@front_options
@telemetry_options
@ui_option
def command(
    *,
    url: str | None,
    url_transport: str | None,
    headers: tuple[str, ...],
    name: str | None,
    server: tuple[str, ...],
    config: Path | None,
    picked: str | None,
    output: Path,
    mode: Any,
    fsync: Any,
    on_write_error: Any,
    redact_rules: tuple[str, ...],
    no_redact: bool,
    normalize: bool,
    bridge: Any,
    faults: dict[str, Any],
    transport: str,
    host: str,
    port: int,
    path: str | None,
    ui: bool,
    debug: bool,
    telemetry: TelemetryOptions,
) -> int:
    r"""Stand in for an MCP server and record every request with its answer.

    \b
    mcptap record -o time.jsonl -- mcp-server-time
    mcptap record -o rec.jsonl --url http://127.0.0.1:9000/sse --transport http --port 3000
    mcptap record -o recordings/ --config mcp.json
    """
    front = make_front(transport, host, port, path)
    recording: dict[str, Any] = {
        "cassette": output,
        "mode": mode,
        "fsync": fsync,
        "on_write_error": on_write_error,
        "redaction": make_redaction(redact_rules, no_redact=no_redact),
        "normalize": normalize,
        "bridge": bridge,
        **faults,
    }
    if config is not None or picked is not None:
        return run_config(config, picked, front, recording, telemetry, debug=debug)
    target = make_target(url, server, url_transport)
    if front.transport != "stdio" and mode in ("all", "rewrite"):
        require_command(target)
    with quiet_libraries(debug=debug):
        observed = telemetry.set_up(front)
        from mcptap.tap.creating import create_tap  # noqa: PLC0415 - imports FastMCP

    view = make_view(front, recording["redaction"]) if ui else None
    tap = create_tap(
        target,
        name=name,
        headers=make_headers(headers),
        middleware=view.middleware if view else (),
        telemetry=observed,
        **recording,
    )
    return run(tap, front, view=view)
