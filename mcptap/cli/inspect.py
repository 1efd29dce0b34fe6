"""placeholder"""

import click


@click.command("inspect", short_help="Show what a cassette holds.")
def command() -> None: ...
