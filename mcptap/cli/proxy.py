"""`mcptap proxy`: stand in for a server without recording."""

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
    make_target,
    target_options,
    ui_option,
)
from mcptap.cli.serving import make_view, quiet_libraries, require_command, run
from mcptap.cli.telemetry import TelemetryOptions, telemetry_options


@click.command("proxy")
@target_options
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
    r"""Stand in for an MCP server and pass everything on.

    \b
    mcptap proxy --url http://127.0.0.1:9000/sse --transport http --port 3000
    mcptap proxy --config mcp.json
    """
    front = make_front(transport, host, port, path)
    if config is not None or picked is not None:
        return run_config(config, picked, front, {"bridge": bridge, **faults}, telemetry, debug=debug)
    target = make_target(url, server, url_transport)
    if front.transport != "stdio":
        require_command(target)
    with quiet_libraries(debug=debug):
        observed = telemetry.set_up(front)
        from mcptap.tap.creating import create_tap  # noqa: PLC0415 - imports FastMCP

    view = make_view(front) if ui else None
    tap = create_tap(
        target,
        name=name,
        headers=make_headers(headers),
        middleware=view.middleware if view else (),
        bridge=bridge,
        **faults,
        telemetry=observed,
    )
    return run(tap, front, view=view)
