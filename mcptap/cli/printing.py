"""An entry for a client's configuration that serves a recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mcptap.cassette.opening import open_all
from mcptap.cli.options import Front
from mcptap.clients.executable import own_command


def print_entry(cassette: Path, front: Front, *, fail_on_unused: bool, bridge: str | None) -> None:
    """Print the ``mcpServers`` table with the one entry.

    Args:
        cassette: A cassette, or a folder of them.
        front: On stdio the client starts mcptap itself; else the entry is where it will be served.
        fail_on_unused: Handed on.
        bridge: Handed on.

    Raises:
        CassetteError: It can't be served.
        UsageError: It isn't known yet where it will be served.
    """
    upstream = open_all(cassette)[0].header.upstream
    if front.transport == "stdio":
        command, *arguments = own_command()
        options = ["--fail-on-unused"] if fail_on_unused else []
        options += ["--bridge", bridge] if bridge is not None else []
        entry: dict[str, Any] = {
            "command": command,
            "args": [*arguments, "replay", str(cassette.absolute()), *options],
        }
    else:
        if not front.port:
            raise click.UsageError("--port 0 takes another port each time: choose one")
        host = f"[{front.host}]" if ":" in front.host else front.host
        scheme = "ws" if front.transport == "ws" else "http"
        entry = {"type": front.transport, "url": f"{scheme}://{host}:{front.port}{front.path}"}
    table = {"mcpServers": {upstream.name if upstream else "mcptap": entry}}
    click.echo(json.dumps(table, indent=2, ensure_ascii=False))
