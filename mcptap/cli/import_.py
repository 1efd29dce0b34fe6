"""`mcptap import`: a recording of another tool as a cassette."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcptap.cli.options import make_redaction, redaction_options

if TYPE_CHECKING:
    from mcptap.importing.converting import Converted
    from mcptap.importing.transcript import Transcript


@click.command("import")
@click.argument("recording", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Where to write the cassette."
)
@click.option("--name", help="What to call the server.  [default: as the recording says]")
@redaction_options
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(
    *, recording: Path, output: Path, name: str | None, redact_rules: tuple[str, ...], no_redact: bool
) -> None:
    r"""Make a cassette of RECORDING, which another tool has made.

    It knows mcp-cassette (PyPI's and npm's), mcp-recorder and mcp-rec, and tells them apart by what is in
    the file.

    \b
    mcptap import session.cassette.jsonl -o session.jsonl
    mcptap import golden.json -o golden.jsonl --name weather
    """
    from mcptap.cassette.naming import require_free  # noqa: PLC0415 - only when it runs
    from mcptap.cassette.rewriting import rewrite  # noqa: PLC0415
    from mcptap.importing.converting import convert  # noqa: PLC0415
    from mcptap.importing.detecting import read_transcript  # noqa: PLC0415
    from mcptap.redaction.lines import redacted_texts  # noqa: PLC0415

    transcript = read_transcript(recording)
    require_free(output)
    converted = convert(transcript, name, make_redaction(redact_rules, no_redact=no_redact))
    rewrite(output, converted.header, redacted_texts(converted.header, converted.lines))
    interactions = _counted(converted.interactions, "interaction")
    sessions = _counted(converted.sessions, "session")
    click.echo(f"{output}: {interactions}, {sessions} of {transcript.tool}")
    for note in _notes(transcript, converted):
        click.echo(f"mcptap: note: {note}", err=True)


def _notes(transcript: Transcript, converted: Converted) -> Iterator[str]:
    """What is not in the cassette as it was live."""
    if transcript.passed_over:
        yield f"left out, being no JSON-RPC: {_counted(transcript.passed_over, 'message')}"
    if converted.unrelated:
        yield f"left out, without a request in the recording: {_counted(converted.unrelated, 'answer')}"
    if converted.unanswered:
        yield f"without an answer, and with none in a replay: {_counted(converted.unanswered, 'request')}"
    if transcript.opened:
        opened = _counted(transcript.opened, "schema")
        yield f"masked by {transcript.tool}, and open to any value now: {opened}"
    if converted.masked:
        yield (
            f"with placeholders of {transcript.tool} in it: {_counted(converted.masked, 'request')}; "
            "a replay answers a client that sends the placeholder, not the secret"
        )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
