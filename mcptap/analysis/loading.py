"""Cassettes into DuckDB: one pass over the files, which keeps numbers and leaves the bodies behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb

from mcptap.analysis import columns as known
from mcptap.analysis.database import Progress, add_files, in_memory, run
from mcptap.analysis.finding import Source, find
from mcptap.analysis.joining import interactions_query, requests_query
from mcptap.errors import CassetteError, UsageError

if TYPE_CHECKING:
    from mcptap.analysis.salvage import Damage

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
    recordings = Recordings(connection or in_memory(), wanted)
    recordings.sources, recordings.passed_over = found.sources, found.passed_over
    _Loading(recordings, linked=views, progress=progress).run()
    return recordings


class _Loading:
    def __init__(self, recordings: Recordings, *, linked: bool, progress: Progress | None) -> None:
        self._recordings = recordings
        self._database = recordings.connection
        self._progress = progress
        self._linked = linked
        self._numbers: dict[str, int] = {}

    def run(self) -> None:
        self._numbers = add_files(self._database, self._recordings.sources)
        self._database.execute(f"CREATE OR REPLACE TEMP TABLE lines AS {self._query({})} LIMIT 0")
        self._add(list(self._numbers))
        self._make_views()

    def _query(self, files: Mapping[str, int], longest: int = known.LONGEST_LINE) -> str:
        return known.lines_query(files, self._recordings.columns, linked=self._linked, longest=longest)

    def _add(self, paths: list[str]) -> None:
        """Read files; where DuckDB can't, halve them until the one is found that has to be salvaged."""
        try:
            self._insert(self._query({path: self._numbers[path] for path in paths}))
        except duckdb.Error:
            if len(paths) > 1:
                middle = len(paths) // 2
                self._add(paths[:middle])
                self._add(paths[middle:])
            else:
                self._salvage(paths[0])

    def _insert(self, query: str) -> None:
        run(self._database, f"INSERT INTO lines {query}", self._progress)

    def _salvage(self, path: str) -> None:
        from mcptap.analysis.salvage import salvage  # noqa: PLC0415 - hardly a recording needs it

        with tempfile.TemporaryDirectory(prefix="mcptap-") as folder:
            copy = Path(folder, "salvaged.jsonl")
            try:
                damage = salvage(Path(path), copy)
                longest = max(known.LONGEST_LINE, copy.stat().st_size)
                self._insert(self._query({str(copy): self._numbers[path]}, longest))
            except (OSError, duckdb.Error) as error:
                why = str(error).partition("\n")[0]
                raise CassetteError(f"{path} can't be read: {why}", "leave it out, or restore it") from None
        if damage.lines or damage.torn:
            self._recordings.damage.append(damage)

    def _make_views(self) -> None:
        columns, linked = self._recordings.columns, self._linked
        self._make_view("requests", requests_query(columns, linked=linked))
        if linked:
            self._database.execute(_sql("sessions.sql"))
        self._make_view("interactions", interactions_query(columns, linked=linked))
        if linked:
            self._database.execute(_sql("views.sql"))

    def _make_view(self, name: str, query: str) -> None:
        self._database.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")


def _sql(name: str) -> str:
    return resources.files("mcptap.analysis").joinpath(name).read_text(encoding="utf-8")
