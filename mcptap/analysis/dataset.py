"""Interactions as files that other engines read: a Parquet data set, and CSV."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

import duckdb

from mcptap.analysis.loading import Recordings
from mcptap.errors import UsageError

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def write_parquet(recordings: Recordings, target: str) -> int:
    """Write the interactions as Parquet, partitioned by server and day (``server=…/day=…``).

    Other recordings may be written to the same data set, by this process or another; the same ones
    again take the place of what they wrote before.

    Args:
        recordings: What to write; with the columns ``server`` and ``time``.
        target: A directory, or a URL that fsspec knows (``s3://bucket/path``, ``memory://…``).

    Returns:
        How many interactions were written.

    Raises:
        UsageError: The target can't be written to, or fsspec isn't there or doesn't know it.
    """
    if not _URL.match(target):
        return _write(recordings, Path(target))
    try:
        import fsspec  # noqa: PLC0415 - only for URLs
    except ImportError:
        raise UsageError(f"{target} needs fsspec", "install it: pip install fsspec") from None
    with tempfile.TemporaryDirectory(prefix="mcptap-") as folder:
        written = _write(recordings, Path(folder))
        try:
            files, root = fsspec.core.url_to_fs(target)
            for path in sorted(Path(folder).rglob("*.parquet")):
                name = f"{root.rstrip('/')}/{path.relative_to(folder).as_posix()}"
                files.makedirs(name.rpartition("/")[0], exist_ok=True)
                files.put_file(str(path), name)
        except (OSError, ValueError, ImportError) as error:
            raise UsageError(
                f"{target} can't be written to: {error}", "check its name and its rights"
            ) from None
    return written


def write_csv(recordings: Recordings, target: Path) -> int:
    """Write the interactions as CSV with a heading, by their time; gives how many.

    Raises:
        UsageError: The target can't be written to.
    """
    return _copy(
        recordings, "SELECT * FROM interactions ORDER BY file, seq", str(target), "FORMAT csv, HEADER true"
    )


def _write(recordings: Recordings, folder: Path) -> int:
    identity = "\n".join(sorted(source.header.id for source in recordings.sources))
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return _copy(
        recordings,
        "SELECT *, strftime(time, '%Y-%m-%d') AS day FROM interactions ORDER BY server, time",
        str(folder),
        "FORMAT parquet, COMPRESSION zstd, PARTITION_BY (server, day), OVERWRITE_OR_IGNORE true, "
        f"FILENAME_PATTERN 'recordings-{name}-{{i}}'",
    )


def _copy(recordings: Recordings, query: str, target: str, options: str) -> int:
    quoted = target.replace("'", "''")
    try:
        (row,) = recordings.connection.execute(f"COPY ({query}) TO '{quoted}' ({options})").fetchall()
    except duckdb.Error as error:
        why = str(error).partition("\n")[0]
        raise UsageError(f"{target} can't be written to: {why}", "check its name and its rights") from None
    return int(row[0])
