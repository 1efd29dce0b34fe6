"""The database that recordings are read into: its settings, its table of files, and how far it has come."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

try:
    # The package around it builds relations, and takes a tenth of a second to import.
    from _duckdb import Error, connect
except ImportError:
    from duckdb import Error, connect

from mcptap.errors import CassetteError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mcptap.analysis.finding import Source

__all__ = ["Error", "Progress", "add_files", "in_memory", "run"]

Progress: TypeAlias = Callable[[float], None]
"""Is told every tenth of a second how many percent have been read."""

_MOST_THREADS: Final = 8
_TICK: Final = 0.1
# A recording may hold times that no clock gives: they have none.
_MOMENT: Final = """
    CREATE OR REPLACE TEMP MACRO moment(began, seconds) AS
        CASE WHEN abs(seconds) < 1e10 THEN began + to_microseconds((seconds * 1e6)::BIGINT) END
"""


def in_memory() -> DuckDBPyConnection:
    """A database in memory that uses the processors of this process, and a bounded number of them."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    database = connect(config={"threads": min(processors, _MOST_THREADS)})
    # Rows come in any order anyway, and keeping that of the files costs memory.
    database.execute("SET preserve_insertion_order = false")
    database.execute("SET temp_directory = ?", [tempfile.gettempdir()])
    return database


def add_files(database: DuckDBPyConnection, sources: Sequence[Source]) -> dict[str, int]:
    """Make the table ``files`` of cassettes, and give their numbers in it by their paths.

    And what tells the time of something by the seconds since its cassette was begun.

    Raises:
        CassetteError: The time in a header is none.
    """
    database.execute(
        "CREATE OR REPLACE TEMP TABLE files (file INTEGER, path VARCHAR, server VARCHAR,"
        " upstream VARCHAR, recorded_at TIMESTAMP)"
    )
    database.execute(_MOMENT)
    rows = [_file(number, source) for number, source in enumerate(sources)]
    database.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?)", rows)
    return {str(source.path): number for number, source in enumerate(sources)}


def run(
    database: DuckDBPyConnection, statement: str, progress: Progress | None = None
) -> list[tuple[Any, ...]]:
    """Run a statement that takes a while, and give its rows; raises `Error`."""
    if progress is None:
        return database.execute(statement).fetchall()
    from concurrent.futures import ThreadPoolExecutor, wait  # noqa: PLC0415 - only where somebody watches

    database.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: database.execute(statement).fetchall())
        while wait([running], _TICK).not_done:
            progress(max(0.0, database.query_progress()))
        return running.result()


def _file(number: int, source: Source) -> tuple[object, ...]:
    header = source.header
    server, upstream = (header.upstream.name, header.upstream.transport) if header.upstream else ("", "")
    return number, str(source.path), server or "(unnamed)", upstream, _timestamp(source)


def _timestamp(source: Source) -> datetime:
    try:
        return datetime.fromisoformat(source.header.recorded_at).replace(tzinfo=None)
    except ValueError:
        raise CassetteError(
            f"{source.path} is damaged in line 1: its 'recorded_at' is no time", "restore it"
        ) from None
