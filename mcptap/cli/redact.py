"""`mcptap redact`: take the secrets out of a cassette that is there, or what differs between two runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from mcptap.cli.options import make_redaction, redaction_options


@click.command("redact")
@click.argument("cassette", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to write the redacted cassette.")
@click.option("--in-place", is_flag=True, help="Replace CASSETTE, when all is written.")
@click.option("--normalize", is_flag=True, help="Take out times and ids, too, so that two runs compare.")
@redaction_options
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(
    *,
    cassette: Path,
    output: Path | None,
    in_place: bool,
    normalize: bool,
    redact_rules: tuple[str, ...],
    no_redact: bool,
) -> None:
    r"""Write CASSETTE without its secrets; the result replays as CASSETTE does.

    The rules that it was recorded by go on to apply, with mcptap's own and yours.

    \b
    mcptap redact old.jsonl -o new.jsonl
    mcptap redact rec.jsonl --in-place --redact-rule 'customer=key:customer_id'
    mcptap redact rec.jsonl --in-place --normalize
    """
    if (output is None) != in_place:
        raise click.UsageError("where to? give either -o FILE or --in-place")
    from mcptap.cassette.normalizing import normalized, normalized_header  # noqa: PLC0415 - only when it runs
    from mcptap.cassette.reader import open_cassette  # noqa: PLC0415
    from mcptap.cassette.rewriting import rewrite  # noqa: PLC0415
    from mcptap.codec import dumps  # noqa: PLC0415
    from mcptap.redaction.header import redacted_header, redactor_of  # noqa: PLC0415
    from mcptap.redaction.lines import LineRedactor  # noqa: PLC0415

    opened = open_cassette(cassette)
    target = output or cassette
    header = opened.header
    rules = make_redaction(redact_rules, no_redact=no_redact)
    if rules:
        header = redacted_header(header, tuple(dict.fromkeys((*header.redaction, *rules))))
    lines: Iterable[dict[str, object]] = (line for number, _, line in opened.lines() if number > 1)
    if normalize:
        lines = normalized(opened)
        header = normalized_header(header)
    redactor = redactor_of(header)
    text = LineRedactor(redactor).text if redactor is not None and rules else dumps
    rewrite(target, header, (text(line) for line in lines))
    if opened.torn_bytes:
        note = f"the torn end of {cassette} was left out ({opened.torn_bytes} bytes)"
        click.echo(f"mcptap: note: {note}", err=True)
