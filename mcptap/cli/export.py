"""`mcptap export`: give a recording to other tools."""

from __future__ import annotations

from pathlib import Path

import click

from mcptap.errors import UsageError


@click.command("export")
@click.argument("cassette", type=click.Path(path_type=Path))
@click.option("--otlp", metavar="URL", help="Send it as spans to an OpenTelemetry collector.")
@click.option("--capture-content", is_flag=True, help="Show arguments and results in the spans.")
def command(*, cassette: Path, otlp: str | None, capture_content: bool) -> int:
    r"""Give CASSETTE, or all cassettes of a folder, to other tools.

    \b
    mcptap export rec.jsonl --otlp http://127.0.0.1:4318
    """
    if otlp is None:
        raise UsageError("nothing to export to", "name a collector with --otlp URL")
    return _to_collector(cassette, otlp, capture_content=capture_content)


def _to_collector(cassette: Path, url: str, *, capture_content: bool) -> int:
    from mcptap.cassette.opening import open_all  # noqa: PLC0415 - not for --help
    from mcptap.cli.serving import quiet_libraries  # noqa: PLC0415
    from mcptap.cli.telemetry import import_propagators  # noqa: PLC0415
    from mcptap.telemetry.settings import settings  # noqa: PLC0415

    quiet_libraries(debug=False)
    asked = settings({}, url=url, capture_content=capture_content)
    cassettes = open_all(cassette)
    import_propagators(needed=True)
    from mcptap.telemetry.export import send  # noqa: PLC0415 - imports the SDK

    sent = send(cassettes, asked)
    click.echo(f"mcptap: sent {sent} spans of {len(cassettes)} cassettes to {url}", err=True)
    return 0
