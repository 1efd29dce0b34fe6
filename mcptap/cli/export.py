"""`mcptap export`: give recordings to other tools."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcptap.cli.table import quiet_pipe
from mcptap.codec import dumps
from mcptap.errors import UsageError
from mcptap.matching.excerpt import printable

if TYPE_CHECKING:
    from mcptap.analysis import Recordings
    from mcptap.analysis.finding import Source
    from mcptap.model import Record

_STDOUT = Path("-")


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

    Parquet and CSV have the columns of docs/analysis.md but the bodies. A FILE of - is stdout.
    """
    if not (parquet or csv or perfetto or har or otlp):
        raise UsageError("nothing to export to", "name it with --parquet, --csv, --perfetto, --har or --otlp")
    sources = _found(paths)
    for target in filter(None, (csv, perfetto, har)):
        _refuse_a_source(target, sources)
    with quiet_pipe():
        if har:
            _to_har(sources, har)
        if perfetto:
            _to_perfetto(sources, perfetto)
        if parquet or csv:
            _to_tables(sources, parquet, csv)
    if otlp:
        _to_collector(sources, otlp, capture_content=capture_content)
    return 0


def _found(paths: Sequence[Path]) -> tuple[Source, ...]:
    from mcptap.analysis.finding import find  # noqa: PLC0415 - not for --help

    found = find(paths)
    _note(found.passed_over)
    return found.sources


def _refuse_a_source(target: Path, sources: Iterable[Source]) -> None:
    for source in sources:
        if target.exists() and target.samefile(source.path):
            raise UsageError(f"{target} is one of the recordings", "name another file")


def _to_collector(sources: Sequence[Source], url: str, *, capture_content: bool) -> None:
    from mcptap.cli.serving import quiet_libraries  # noqa: PLC0415 - not for --help
    from mcptap.cli.telemetry import import_propagators  # noqa: PLC0415
    from mcptap.telemetry.collector import without_secrets  # noqa: PLC0415
    from mcptap.telemetry.refusing import refusing  # noqa: PLC0415
    from mcptap.telemetry.settings import Settings  # noqa: PLC0415

    with quiet_libraries(debug=False):
        import_propagators(needed=True)
        with refusing("spans can't be sent"):  # the SDK reads variables as it is imported
            from mcptap.telemetry.export import send  # noqa: PLC0415

        sent = send(map(_PastDamage, sources), Settings(url=url, capture_content=capture_content))
        _tell(sent, "span", without_secrets(url))


def _to_tables(sources: Sequence[Source], parquet: str | None, csv: Path | None) -> None:
    from mcptap.analysis.dataset import write_csv, write_parquet  # noqa: PLC0415 - imports DuckDB

    recordings = _loaded(sources)
    if parquet:
        _tell(write_parquet(recordings, parquet), "interaction", parquet)
    if csv:
        with _written(csv) as file:
            count = write_csv(recordings, file)
        _tell(count, "interaction", csv)


def _to_perfetto(sources: Sequence[Source], target: Path) -> None:
    from mcptap.analysis.timeline import trace_events  # noqa: PLC0415 - imports DuckDB

    before, after = b'{"displayTimeUnit":"ms","traceEvents":[\n', b"\n]}\n"
    _tell(_write(target, before, trace_events(_loaded(sources)), after), "trace event", target)


def _to_har(sources: Sequence[Source], target: Path) -> None:
    from mcptap.analysis.har import CREATOR, came_over_http, entries  # noqa: PLC0415 - not for --help

    over_http = [_PastDamage(source) for source in sources if came_over_http(source.header)]
    if not over_http:
        raise UsageError("no recording is of a server over HTTP", "take --perfetto instead")
    before = b'{"log":{"version":"1.2","creator":' + dumps(CREATOR) + b',"entries":[\n'
    _tell(_write(target, before, entries(over_http), b"\n]}}\n"), "request", target)


class _PastDamage:
    """A cassette that is read past its damage, which is told when it has been read."""

    def __init__(self, source: Source) -> None:
        self.path = source.path
        self.header = source.header

    def records(self) -> Iterator[Record]:
        from mcptap.reporting.reading import Reading  # noqa: PLC0415 - not for --help

        reading = Reading(self.path, self.header)
        yield from reading.records()
        _note(reading.notices)


def _loaded(sources: Sequence[Source]) -> Recordings:
    from mcptap.analysis import load  # noqa: PLC0415 - imports DuckDB

    recordings = load([source.path for source in sources])
    _note(map(str, recordings.damage))
    return recordings


def _write(target: Path, before: bytes, items: Iterable[dict[str, Any]], after: bytes) -> int:
    """Write JSON objects, one a line, as a list; gives how many."""
    count = 0
    with _written(target) as place, place.open("wb") as file:
        file.write(before)
        for count, item in enumerate(items, start=1):
            file.write((b",\n" if count > 1 else b"") + dumps(item))
        file.write(after)
    return count


@contextmanager
def _written(target: Path) -> Iterator[Path]:
    """A file to write, which is in its place, or goes to stdout, once it is whole."""
    from mcptap.cassette.replacing import replacing  # noqa: PLC0415 - not for --help

    if target == _STDOUT:
        with tempfile.TemporaryDirectory(prefix="mcptap-") as folder:
            yield Path(folder, "export")
            with Path(folder, "export").open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
        return
    try:
        with replacing(target) as place:
            yield place
    except OSError as error:
        raise UsageError(f"{target} can't be written to: {error.strerror}", "name another file") from None


def _note(notes: Iterable[str]) -> None:
    for note in notes:
        click.echo(f"mcptap: note: {printable(note)}", err=True)


def _tell(count: int, noun: str, target: object) -> None:
    where = "stdout" if target == _STDOUT else target
    click.echo(f"mcptap: wrote {count:,} {noun}{'s' * (count != 1)} to {where}", err=True)
