"""`mcptap split`: one cassette for each client session of another."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("split")
@click.argument("cassette", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The folder to write them into."
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(*, cassette: Path, output: Path) -> None:
    r"""Write every client session of CASSETTE into a cassette of its own, as NAME-SESSION.jsonl.

    \b
    mcptap split all.jsonl -o sessions/
    """
    from mcptap.cassette.naming import SUFFIXES, require_free  # noqa: PLC0415 - only when it runs
    from mcptap.cassette.reader import open_cassette  # noqa: PLC0415
    from mcptap.cassette.rewriting import rewrite  # noqa: PLC0415
    from mcptap.cassette.splitting import split  # noqa: PLC0415
    from mcptap.codec import dumps  # noqa: PLC0415

    opened = open_cassette(cassette)
    suffix = next((each for each in reversed(SUFFIXES) if cassette.name.endswith(each)), SUFFIXES[0])
    parts = {
        output / f"{cassette.name.removesuffix(suffix)}-{each.session}{suffix}": each
        for each in split(opened)
    }
    for path in parts:
        require_free(path)
    for path, part in parts.items():
        rewrite(path, part.header, map(dumps, part.lines))
        click.echo(f"{path}: {part.interactions} interaction{'s' * (part.interactions != 1)}")
    if opened.torn_bytes:
        note = f"the torn end of {cassette} was left out ({opened.torn_bytes} bytes)"
        click.echo(f"mcptap: note: {note}", err=True)
