"""`mcptap report`: a recording as a page that can be sent to a colleague."""

from __future__ import annotations

from pathlib import Path

import click

from mcptap.errors import UsageError


@click.command("report")
@click.argument("cassette", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The HTML file.  [default: CASSETTE's name with .html, in this folder]",
)
@click.option("--against", type=click.Path(path_type=Path), help="Another recording to hold it against.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(*, cassette: Path, output: Path | None, against: Path | None) -> int:
    r"""Make one HTML file of CASSETTE: a timeline, charts, and every request with its answer.

    It needs no network and no server. Damaged lines are named and passed over.

    \b
    mcptap report rec.jsonl -o report.html
    mcptap report new.jsonl --against old.jsonl -o report.html
    """
    from mcptap.reporting.reading import read  # noqa: PLC0415 - not for --help
    from mcptap.reporting.report import make_report, require_place, write_report  # noqa: PLC0415

    output = output or Path(f"{cassette.name.split('.jsonl')[0]}.html")
    require_place(output)
    for read_too in filter(None, (cassette, against)):
        if output.exists() and read_too.exists() and output.samefile(read_too):
            raise UsageError(f"-o {output} is the recording itself", "name another file with -o")
    page = make_report(read(cassette), read(against) if against else None)
    written = write_report(page, output)
    for notice in page.notices:
        click.echo(f"mcptap: note: {notice}", err=True)
    count = page.summary.total.calls
    click.echo(f"mcptap: {output}: {count} requests, {written / 1024 / 1024:.1f} MiB", err=True)
    return 0
