"""`mcptap wrap`: have an entry of a client's configuration go through mcptap."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcptap.cli.table import set_up_screen
from mcptap.errors import UsageError

if TYPE_CHECKING:
    from mcptap.clients.document import Document


@click.command("wrap")
@click.argument("entry", metavar="CLIENT:NAME|FILE:NAME")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the cassettes go.  [default: a folder of the user's data]",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
def command(*, entry: str, output: Path | None, dry_run: bool) -> int:
    r"""Have the server NAME of a client go through mcptap, which records it.

    CLIENT is claude-desktop, claude-code, cursor, vscode, gemini-cli or goose. Nothing but this entry is
    changed in the client's configuration; a backup is made, and `mcptap unwrap` restores it.

    \b
    mcptap wrap claude-desktop:github
    mcptap wrap .mcp.json:github --dry-run
    """
    from mcptap.clients import backup, editing, wrapping  # noqa: PLC0415 - not for --help
    from mcptap.clients.executable import own_command  # noqa: PLC0415
    from mcptap.clients.places import entries_of  # noqa: PLC0415
    from mcptap.clients.variables import unset  # noqa: PLC0415

    set_up_screen()
    place = entries_of(entry)[0]
    if place.document.format == "TOML":
        raise UsageError(
            f"{place.document.path} can't be edited", "mcptap changes JSON and YAML; do it by hand"
        )
    where = f"{place.document.where(place.node)}: the server {place.name!r}"
    if wrapping.is_tapped(place.node.value):
        raise UsageError(f"{where} goes through mcptap already", f"undo it with: mcptap unwrap {entry}")
    for key, _ in place.node.repeated():
        raise UsageError(f"{where} has {key!r} twice", "take one of them out")
    folder = (output or _default_folder()).absolute()
    value = wrapping.wrapped(place.node.value, place.name, own_command(), str(folder), where)
    edited = editing.replace(place, editing.spell(place, value, (place,)), value)
    if dry_run:
        show_difference(place.document, edited)
        return 0
    saved = backup.save(place, edited)
    click.echo(f"{place.name} in {place.document.path} goes through mcptap now; restart the client.")
    click.echo(f"  cassettes  {folder}")
    click.echo(f"  backup     {saved}")
    click.echo(f"  undo       mcptap unwrap {entry}")
    if missing := unset(json.dumps(value, default=str), os.environ):
        click.echo(f"  not set    {', '.join(missing)}: here, which is well if the client has it", err=True)
    return 0


def show_difference(before: Document, after: str) -> None:
    """Print a unified diff, coloured where that can be seen."""
    from mcptap.clients.editing import difference  # noqa: PLC0415 - not for --help

    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in difference(before, after):
        text = "".join(each if each.isprintable() or each == "\t" else " " for each in line).rstrip()
        click.secho(text, fg=colours.get(line[0]), bold=line.startswith(("+++", "---")) or None)


def _default_folder() -> Path:
    from platformdirs import user_data_path  # noqa: PLC0415 - not for --help

    return user_data_path("mcptap", appauthor=False) / "recordings"
