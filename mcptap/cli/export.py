"""`mcptap export`: give recordings to other tools."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcptap.codec import dumps
from mcptap.errors import UsageError
from mcptap.matching.excerpt import printable

if TYPE_CHECKING:
    from mcptap.analysis import Recordings


@click.command("export")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CASSETTE|DIR...")
@click.option("--parquet", metavar="DIR|URL", help="A Parquet data set, by server and day.")
@click.option("--csv", type=click.Path(path_type=Path), metavar="FILE", help="A table, a row an interaction.")
@click.option(
    "--perfetto", type=click.Path(path_type=Path), metavar="FILE", help="A timeline for ui.perfetto.dev."
)
@click.option(
    "--har", type=click.Path(path_type=Path), metavar="FILE", help="An HTTP archive of what came over HTTP."
)
@click.option("--otlp", metavar="URL", help="Spans, to an OpenTelemetry collector.")
@click.option("--capture-content", is_flag=True, help="Show arguments and results in the spans.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(
    *,
    paths: tuple[Path, ...],
    parquet: str | None,
    csv: Path | None,
    perfetto: Path | None,
    har: Path | None,
    otlp: str | None,
    capture_content: bool,
) -> int:
    r"""Give recordings to other tools.

    \b
    mcptap export rec.jsonl --perfetto trace.json
    mcptap export rec.jsonl --otlp http://127.0.0.1:4318
    mcptap export recordings/ --parquet s3://bucket/mcp

    Parquet and CSV have the columns of docs/analysis.md but the bodies.
    """
    if not (parquet or csv or perfetto or har or otlp):
        raise UsageError("nothing to export to", "name it with --parquet, --csv, --perfetto, --har or --otlp")
    if har:
        _to_har(paths, har)
    if perfetto:
        _to_perfetto(paths, perfetto)
    if parquet or csv:
        _to_tables(paths, parquet, csv)
    if otlp:
        _to_collector(paths, otlp, capture_content=capture_content)
    return 0


def _to_collector(paths: tuple[Path, ...], url: str, *, capture_content: bool) -> None:
    from mcptap.cassette.opening import open_all  # noqa: PLC0415 - not for --help
    from mcptap.cli.serving import quiet_libraries  # noqa: PLC0415
    from mcptap.cli.telemetry import import_propagators  # noqa: PLC0415
    from mcptap.telemetry.settings import settings  # noqa: PLC0415

    with quiet_libraries(debug=False):
        asked = settings({}, url=url, capture_content=capture_content)
        cassettes = [each for path in paths for each in open_all(path)]
        import_propagators(needed=True)
        from mcptap.telemetry.export import send  # noqa: PLC0415 - imports the SDK

        _tell(send(cassettes, asked), "span", url)


def _to_tables(paths: tuple[Path, ...], parquet: str | None, csv: Path | None) -> None:
    from mcptap.analysis.dataset import write_csv, write_parquet  # noqa: PLC0415 - imports DuckDB

    recordings = _loaded(paths)
    if parquet:
        _tell(write_parquet(recordings, parquet), "interaction", parquet)
    if csv:
        _tell(write_csv(recordings, csv), "interaction", csv)


def _to_perfetto(paths: tuple[Path, ...], target: Path) -> None:
    from mcptap.analysis.timeline import trace_events  # noqa: PLC0415 - imports DuckDB

    before, after = b'{"displayTimeUnit":"ms","traceEvents":[\n', b"\n]}\n"
    _tell(_write(target, before, trace_events(_loaded(paths)), after), "trace event", target)


def _to_har(paths: tuple[Path, ...], target: Path) -> None:
    from mcptap.analysis.finding import find  # noqa: PLC0415
    from mcptap.analysis.har import CREATOR, came_over_http, entries  # noqa: PLC0415
    from mcptap.cassette.reader import open_cassette  # noqa: PLC0415

    cassettes = [
        open_cassette(source.path) for source in find(paths).sources if came_over_http(source.header)
    ]
    if not cassettes:
        raise UsageError(
            f"nothing in {', '.join(map(str, paths))} came from a server over HTTP", "take --perfetto instead"
        )
    before = b'{"log":{"version":"1.2","creator":' + dumps(CREATOR) + b',"entries":[\n'
    _tell(_write(target, before, entries(cassettes), b"\n]}}\n"), "request", target)


def _loaded(paths: tuple[Path, ...]) -> Recordings:
    from mcptap.analysis import load  # noqa: PLC0415 - imports DuckDB

    recordings = load(paths)
    for note in (*recordings.passed_over, *map(str, recordings.damage)):
        click.echo(f"mcptap: note: {printable(note)}", err=True)
    return recordings


def _write(target: Path, before: bytes, items: Iterable[dict[str, Any]], after: bytes) -> int:
    """Write JSON objects, one a line, as a list; gives how many."""
    count = 0
    try:
        with target.open("wb") as file:
            file.write(before)
            for count, item in enumerate(items, start=1):
                file.write((b",\n" if count > 1 else b"") + dumps(item))
            file.write(after)
    except OSError as error:
        raise UsageError(f"{target} can't be written to: {error.strerror}", "name another file") from None
    return count


def _tell(count: int, noun: str, target: object) -> None:
    click.echo(f"mcptap: wrote {count:,} {noun}{'s' * (count != 1)} to {target}", err=True)
