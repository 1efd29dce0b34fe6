"""An entry for a client's configuration that serves a recording."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from mcptap.cassette.opening import open_all
from mcptap.cli.options import Front
from mcptap.clients.executable import own_command

_NOT_HANDED_ON: Final = frozenset({"print_config", "transport", "host", "port", "path", "ui", "debug"})


def print_entry(cassette: Path, front: Front) -> None:
    """Print the ``mcpServers`` table with the one entry, which hands on the options of this command.

    Args:
        cassette: A cassette, or a folder of them.
        front: On stdio the client starts mcptap itself; else the entry is where it will be served.

    Raises:
        CassetteError: It can't be served.
        UsageError: It isn't known yet where it will be served.
    """
    upstream = open_all(cassette)[0].header.upstream
    if front.transport == "stdio":
        command, *arguments = own_command()
        server = click.get_current_context().params["server"]
        handed_on = [*_given_options(), *(["--", *server] if server else [])]
        entry: dict[str, Any] = {
            "command": command,
            "args": [*arguments, "replay", str(cassette.absolute()), *handed_on],
        }
    else:
        if not front.port:
            raise click.UsageError("--port 0 takes another port each time: choose one")
        host = f"[{front.host}]" if ":" in front.host else front.host
        scheme = "ws" if front.transport == "ws" else "http"
        entry = {"type": front.transport, "url": f"{scheme}://{host}:{front.port}{front.path}"}
    table = {"mcpServers": {upstream.name if upstream else "mcptap": entry}}
    click.echo(json.dumps(table, indent=2, ensure_ascii=False))


def _given_options() -> Iterator[str]:
    """The options that stand on the command line, as they are written; not those of a front."""
    context = click.get_current_context()
    for option in context.command.params:
        name = str(option.name)
        given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if not given or name in _NOT_HANDED_ON or not isinstance(option, click.Option):
            continue
        value = context.params[name]
        if option.is_flag:
            yield option.opts[0]
            continue
        for one in value if option.multiple else [value]:
            yield from (option.opts[0], str(one))
