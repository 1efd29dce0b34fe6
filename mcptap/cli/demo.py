"""placeholder"""

import click


@click.command("demo", short_help="See it work, in a minute.")
def command() -> None: ...
