"""`mcptap unwrap`: undo what `mcptap wrap` did to an entry."""

from __future__ import annotations

import click

from mcptap.cli.table import set_up_screen
from mcptap.cli.wrap import show_difference
from mcptap.errors import UsageError


@click.command("unwrap")
@click.argument("entry", metavar="CLIENT:NAME|FILE:NAME")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
def command(*, entry: str, dry_run: bool) -> int:
    r"""Take mcptap out of the way again: restore the entry NAME as it was before `mcptap wrap`.

    What was changed in the configuration since stays.

    \b
    mcptap unwrap claude-desktop:github
    """
    from mcptap.clients import backup, editing, wrapping  # noqa: PLC0415 - not for --help
    from mcptap.clients.places import Place, entries_of  # noqa: PLC0415

    set_up_screen()
    places = entries_of(entry)
    place = next((each for each in places if wrapping.is_tapped(each.node.value)), places[0])
    where = f"{place.document.where(place.node)}: the server {place.name!r}"
    if not wrapping.is_tapped(place.node.value):
        raise UsageError(f"{where} doesn't go through mcptap", "there is nothing to undo")
    saved = backup.backup_of(place)
    document = backup.read_backup(place)
    node = document.root.at(place.pointer)
    if node is None:
        raise UsageError(f"the backup {saved} has no server {place.name!r}", "put the entry back by hand")
    original = Place(document, place.pointer, node)
    value = wrapping.unwrapped(place.node.value, node.value, place.name, f"{where} (backup: {saved})")
    if value == node.value:
        text = document.text[node.start : node.end]
    else:
        text = editing.spell(place, value, (place, original))
    edited = editing.replace(place, text, value)
    if dry_run:
        show_difference(place.document, edited)
        return 0
    backup.write(place, edited)
    saved.unlink()
    click.echo(f"{place.name} in {place.document.path} is as it was; restart the client.")
    return 0
