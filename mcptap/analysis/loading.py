"""Cassettes into DuckDB: one pass over the files, which keeps numbers and leaves the bodies behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeAlias

import duckdb

from mcptap.analysis import columns as known
from mcptap.analysis.finding import Source, find
from mcptap.analysis.salvage import Damage, salvage
from mcptap.errors import CassetteError, UsageError

Progress: TypeAlias = Callable[[float], None]
"""Is told every tenth of a second how many percent have been read."""

_LONGEST_LINE: Final = 16 << 20  # bytes; DuckDB holds two lines of this length for each thread
_MOST_THREADS: Final = 8
_TICK: Final = 0.1
_VIEWS: Final = ("sessions", "events", "server_requests", "messages", "gaps", "chains")

DEFAULT_COLUMNS: Final = tuple(name for name in known.NAMES if name not in known.BODIES)
"""The columns that `load` reads where nothing else is asked for: all but the bodies."""


class Recordings:
    """Recordings as views of a DuckDB database in memory; made by `load`.

    Attributes:
        connection: The database. Its views are those of docs/analysis.md.
        sources: The cassettes that were read.
        passed_over: The files in folders that are no cassettes, a line each.
        damage: The cassettes that have damaged lines, or a torn last one.
        columns: The columns of ``interactions`` that were read.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
        self.connection = connection
        self.columns = tuple(columns)
        self.sources: tuple[Source, ...] = ()
        self.passed_over: tuple[str, ...] = ()
        self.damage: list[Damage] = []

    @property
    def interactions(self) -> duckdb.DuckDBPyRelation:
        """One row an interaction."""
        return self.connection.view("interactions")

    def __getattr__(self, name: str) -> Any:
        """Whatever else a relation can do, done with the interactions: ``filter``, ``order``, ``pl`` …."""
        if name.startswith("_"):  # what Python itself looks for
            raise AttributeError(name)
        return getattr(self.interactions, name)

    def view(self, name: str) -> duckdb.DuckDBPyRelation:
        """One of the views: ``interactions``, ``sessions``, ``events``, ``server_requests``, ….

        Raises:
            UsageError: There is no such view.
        """
        if name not in ("interactions", *_VIEWS):
            raise UsageError(f"there is no view {name!r}", f"the views are interactions, {', '.join(_VIEWS)}")
        return self.connection.view(name)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """The relation that a query over the views gives; raises ``duckdb.Error``."""
        return self.connection.sql(query)

    def df(self) -> Any:
        """The interactions as a pandas data frame (needs pandas: ``mcptap[notebook]``)."""
        return self.interactions.df()

    def arrow(self) -> Any:
        """The interactions as a pyarrow table (needs pyarrow: ``mcptap[notebook]``)."""
        return self.interactions.to_arrow_table()

    def where(
        self, condition: str, interactions: duckdb.DuckDBPyRelation | None = None
    ) -> duckdb.DuckDBPyRelation:
        """Those of the interactions that a SQL condition is true of; it can't change anything or open a file.

        From here on the database can't reach files, nor can its settings be changed.

        Raises:
            UsageError: It is no condition on the columns.
        """
        self.connection.execute("SET python_enable_replacements = false")
        self.connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        try:
            chosen = (interactions or self.interactions).filter(condition)
            chosen.aggregate("count(*)").fetchall()  # so that it is true or false of every row
        except duckdb.Error as error:
            why = str(error).partition("\n")[0]
            raise UsageError(
                f"the condition {condition!r} can't be used: {why}",
                f"the columns are {', '.join(known.NAMES)}",
            ) from None
        return chosen


def load(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    columns: Collection[str] = DEFAULT_COLUMNS,
    views: bool = True,
    connection: duckdb.DuckDBPyConnection | None = None,
    progress: Progress | None = None,
) -> Recordings:
    """Read recordings: cassettes, plain or compressed (zstd, gzip), and folders of them.

    Args:
        paths: A file, a folder, or several.
        columns: The columns of ``interactions`` that are wanted; by default all but the bodies
            (``params``, ``result``, ``error``).
        views: Whether the other views are wanted, too.
        connection: The database to read into, with whatever memory limit and threads it has been given;
            by default a new one in memory.
        progress: Is told how far it has come.

    Raises:
        CassetteError: There is no cassette, or one can't be read at all.
        UsageError: There is no such column.
    """
    known.require_known(columns)
    found = find([paths] if isinstance(paths, (str, os.PathLike)) else paths)
    wanted = [name for name in known.NAMES if name in columns]
    recordings = Recordings(connection or _database(), wanted)
    recordings.sources, recordings.passed_over = found.sources, found.passed_over
    _Loading(recordings, linked=views, progress=progress).run()
    return recordings


def _database() -> duckdb.DuckDBPyConnection:
    """A database in memory that uses the processors of this process, and a bounded number of them."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    database = duckdb.connect(config={"threads": min(processors, _MOST_THREADS)})
    # Rows come in any order anyway, and keeping that of the files costs memory.
    database.execute("SET preserve_insertion_order = false")
    database.execute("SET temp_directory = ?", [tempfile.gettempdir()])
    return database


class _Loading:
    def __init__(self, recordings: Recordings, *, linked: bool, progress: Progress | None) -> None:
        self._recordings = recordings
        self._database = recordings.connection
        self._progress = progress
        self._linked = linked
        self._numbers: dict[str, int] = {}

    def run(self) -> None:
        sources = self._recordings.sources
        self._database.execute(
            "CREATE OR REPLACE TEMP TABLE files (file INTEGER, path VARCHAR, server VARCHAR,"
            " upstream VARCHAR, recorded_at TIMESTAMP)"
        )
        rows = [self._file(number, source) for number, source in enumerate(sources)]
        self._database.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?)", rows)
        if self._progress:
            self._database.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
        self._database.execute(
            f"CREATE OR REPLACE TEMP TABLE lines AS {self._query(None)} LIMIT 0", self._parameters([])
        )
        self._add([str(source.path) for source in sources])
        self._make_views()

    def _query(self, file: int | None) -> str:
        return known.lines_query(self._recordings.columns, linked=self._linked, file=file)

    def _file(self, number: int, source: Source) -> tuple[object, ...]:
        header = source.header
        server, upstream = (header.upstream.name, header.upstream.transport) if header.upstream else ("", "")
        path = str(source.path)
        self._numbers[path] = number
        return number, path, server or "(unnamed)", upstream, _timestamp(source)

    def _parameters(self, paths: Sequence[str], longest: int = _LONGEST_LINE) -> dict[str, object]:
        return {"paths": [_pattern(path) for path in paths] or [os.devnull], "longest": longest}

    def _add(self, paths: list[str]) -> None:
        """Read files; where DuckDB can't, halve them until the one is found that has to be salvaged."""
        try:
            self._insert(paths, self._numbers[paths[0]] if len(paths) == 1 else None)
        except duckdb.Error:
            if len(paths) > 1:
                middle = len(paths) // 2
                self._add(paths[:middle])
                self._add(paths[middle:])
            else:
                self._salvage(paths[0])

    def _insert(self, paths: Sequence[str], file: int | None, longest: int = _LONGEST_LINE) -> None:
        statement = f"INSERT INTO lines {self._query(file)}"
        if self._progress is None:
            self._database.execute(statement, self._parameters(paths, longest))
            return
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(self._database.execute, statement, self._parameters(paths, longest))
            while wait([reading], _TICK).not_done:
                self._progress(max(0.0, self._database.query_progress()))
            reading.result()

    def _salvage(self, path: str) -> None:
        with tempfile.TemporaryDirectory(prefix="mcptap-") as folder:
            copy = Path(folder, "salvaged.jsonl")
            try:
                damage = salvage(Path(path), copy)
                longest = max(_LONGEST_LINE, copy.stat().st_size)
                self._insert([str(copy)], self._numbers[path], longest)
            except (OSError, duckdb.Error) as error:
                why = str(error).partition("\n")[0]
                raise CassetteError(f"{path} can't be read: {why}", "leave it out, or restore it") from None
        if damage.lines or damage.torn:
            self._recordings.damage.append(damage)

    def _make_views(self) -> None:
        recordings = self._recordings
        made = known.members(recordings.columns, linked=self._linked)
        whole = ", ".join(f'"{member.name}"' for member in made)
        joined = ", ".join(
            "coalesce(e.outcome, 'unanswered') AS outcome"
            if member.name == "outcome"
            else "coalesce(h.events, []) AS events"
            if member.name == "events"
            else f'{"b" if member.of == "request" else "e"}.{member.name} AS "{member.name}"'
            for member in made
        )
        happened = (
            "LEFT JOIN (SELECT file, seq, list(events[1] ORDER BY events[1].at_ms) AS events FROM lines"
            " WHERE kind = 'event' GROUP BY file, seq) AS h ON h.file = b.file AND h.seq = b.seq"
            if any(member.name == "events" for member in made)
            else ""
        )
        chosen = ", ".join(
            f'{column.sql} AS "{column.name}"'
            for column in known.INTERACTION
            if column.name in recordings.columns
        )
        sessions = (
            "LEFT JOIN sessions AS s ON s.file_number = i.file AND s.session = i.session"
            if self._linked
            else ""
        )
        self._database.execute(f"""
            CREATE OR REPLACE TEMP VIEW requests AS
            SELECT file, seq, {whole} FROM lines WHERE kind = 'interaction'
            UNION ALL
            SELECT b.file, b.seq, {joined}
            FROM (FROM lines WHERE kind = 'begin') AS b
            LEFT JOIN (FROM lines WHERE kind = 'end') AS e ON e.file = b.file AND e.seq = b.seq
            {happened}
        """)
        if self._linked:
            self._database.execute(_sql("sessions.sql"))
        self._database.execute(f"""
            CREATE OR REPLACE TEMP VIEW interactions AS
            SELECT {chosen} FROM requests AS i JOIN files AS c ON c.file = i.file {sessions}
        """)
        if self._linked:
            self._database.execute(_sql("views.sql"))


def _sql(name: str) -> str:
    return resources.files("mcptap.analysis").joinpath(name).read_text(encoding="utf-8")


def _pattern(path: str) -> str:
    """A path as a pattern that only it matches."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _timestamp(source: Source) -> datetime:
    try:
        return datetime.fromisoformat(source.header.recorded_at).replace(tzinfo=None)
    except ValueError:
        raise CassetteError(
            f"{source.path} is damaged in line 1: its 'recorded_at' is no time", "restore it"
        ) from None
