"""`mcptap merge`: several cassettes of one server as one."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("merge")
@click.argument("cassettes", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Where to write the one cassette."
)
@click.option("--name", help="What to call the server, where the cassettes don't agree.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(*, cassettes: tuple[Path, ...], output: Path, name: str | None) -> None:
    r"""Write CASSETTES, or all those of a folder, into one.

    Every client session stays one, and all go on in the order of their times.

    \b
    mcptap merge monday.jsonl tuesday.jsonl -o both.jsonl
    mcptap merge recordings/ -o all.jsonl
    """
    from mcptap.cassette.merging import merge  # noqa: PLC0415 - only when it runs
    from mcptap.cassette.naming import cassettes_in, require_free  # noqa: PLC0415
    from mcptap.cassette.reader import open_cassette  # noqa: PLC0415
    from mcptap.cassette.rewriting import rewrite  # noqa: PLC0415

    paths = [path for named in cassettes for path in (cassettes_in(named) if named.is_dir() else [named])]
    opened = [open_cassette(path) for path in paths]
    require_free(output)
    merged = merge(opened, name=name)
    rewrite(output, merged.header, merged.texts)
    for each in opened:
        if each.torn_bytes:
            note = f"the torn end of {each.path} was left out ({each.torn_bytes} bytes)"
            click.echo(f"mcptap: note: {note}", err=True)
