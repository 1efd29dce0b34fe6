"""Interactions as files that other engines read: a Parquet data set, and CSV."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb

from mcptap.analysis.loading import Recordings
from mcptap.errors import UsageError

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def write_parquet(recordings: Recordings, target: str) -> int:
    """Write the interactions as Parquet, partitioned by server and day (``server=…/day=…``).

    Each recording has files of its own. Written again, alone or with others, it takes the place of what it
    had there before.

    Args:
        recordings: What to write; with the columns ``file``, ``server`` and ``time``.
        target: A directory, or a URL that fsspec knows (``s3://bucket/path``, ``memory://…``).

    Returns:
        How many interactions were written.

    Raises:
        UsageError: The target can't be written to, or fsspec isn't there or doesn't know it.
    """
    try:
        if _URL.match(target):
            return _write_remotely(recordings, target)
        folder = Path(target)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".mcptap-", dir=folder) as staging:
            count = _stage(recordings, Path(staging))
            _replace(folder, Path(staging), _names(recordings))
    except (OSError, ValueError, ImportError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{target} can't be written to: {why}", "check its name and its rights") from None
    return count


def write_csv(recordings: Recordings, target: Path) -> int:
    """Write the interactions as CSV with a heading, by file and seq; gives how many.

    Raises:
        UsageError: The target can't be written to.
    """
    query = "SELECT * FROM interactions ORDER BY file, seq"
    return _copy(recordings, query, target, "FORMAT csv, HEADER true, USE_TMP_FILE false")


def _write_remotely(recordings: Recordings, url: str) -> int:
    try:
        import fsspec  # noqa: PLC0415 - only for URLs
    except ImportError:
        raise UsageError(f"{url} needs fsspec", "install it: pip install fsspec") from None
    files, root = fsspec.core.url_to_fs(url)
    root = root.rstrip("/")
    with tempfile.TemporaryDirectory(prefix="mcptap-") as staging:
        count = _stage(recordings, Path(staging))
        new = {f"{root}/{name}": path for name, path in _staged(Path(staging))}
        for name, path in new.items():
            files.makedirs(name.rpartition("/")[0], exist_ok=True)
            files.put_file(str(path), name)
        written = {name.lstrip("/") for name in new}
        for name in set(_names(recordings)):
            for path in files.glob(f"{root}/*/*/{name}-*.parquet"):
                if path.lstrip("/") not in written:
                    files.rm_file(path)
    return count


def _replace(folder: Path, staging: Path, names: list[str]) -> None:
    """Put what was staged into a data set, and take out what its recordings had there before."""
    old = {path for name in names for path in folder.glob(f"*/*/{name}-*.parquet")}
    for name, path in _staged(staging):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, place)
        old.discard(place)
    for path in old:
        path.unlink()


def _stage(recordings: Recordings, folder: Path) -> int:
    """Write the interactions of each recording into a folder of its own."""
    recordings.connection.execute(
        "CREATE OR REPLACE TEMP TABLE recordings AS SELECT unnest($1) AS file, unnest($2) AS recording",
        [[str(source.path) for source in recordings.sources], _names(recordings)],
    )
    query = (
        "SELECT *, strftime(time, '%Y-%m-%d') AS day FROM interactions JOIN recordings USING (file)"
        " ORDER BY server, time"
    )
    return _copy(
        recordings,
        query,
        folder,
        "FORMAT parquet, COMPRESSION zstd, PARTITION_BY (recording, server, day), OVERWRITE_OR_IGNORE true",
    )


def _staged(folder: Path) -> Iterator[tuple[str, Path]]:
    """What was staged: its name in the data set, and where it is."""
    for path in sorted(folder.rglob("*.parquet")):
        recording, *partition, file = path.relative_to(folder).parts
        name = f"{recording.removeprefix('recording=')}-{file.removeprefix('data_')}"
        yield "/".join((*partition, name)), path


def _names(recordings: Recordings) -> list[str]:
    """What the files of each recording begin with: told by its id, wherever it lies now."""
    ids = (source.header.id.encode("utf-8", "surrogatepass") for source in recordings.sources)
    return [f"recording-{hashlib.sha256(each).hexdigest()[:16]}" for each in ids]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _copy(recordings: Recordings, query: str, target: Path, options: str) -> int:
    try:
        (row,) = recordings.connection.execute(
            f"COPY ({query}) TO {_quoted(str(target))} ({options})"
        ).fetchall()
    except duckdb.Error as error:
        why = str(error).partition("\n")[0]
        raise UsageError(f"{target} can't be written to: {why}", "check its name and its rights") from None
    return int(row[0])
