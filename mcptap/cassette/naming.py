"""Names for cassettes where the user gives none or only a folder: one a run, so that runs never collide."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from mcptap.errors import CassetteError

SUFFIXES = (".jsonl", ".jsonl.zst")


def is_folder(path: Path) -> bool:
    """Whether a path that may not exist yet is meant for a folder: it is one, or has no cassette's name."""
    return path.is_dir() or (not path.exists() and not path.name.endswith(SUFFIXES))


def require_free(path: Path) -> None:
    """Refuse to write a cassette where a file is.

    Raises:
        CassetteError: There is one.
    """
    if path.exists():
        raise CassetteError(f"{path} is there already", "name another file, or move it away first")


def claim(folder: Path, server: str, started: datetime) -> Path:
    """Make an empty file of this run's own in ``folder``, named by server and start time.

    Raises:
        CassetteError: The folder can't be written to.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", server).strip("-.") or "server"
    base = f"{stem}-{started:%Y%m%dT%H%M%S}Z"
    number = 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = folder / f"{base}{f'-{number}' if number > 1 else ''}.jsonl"
            try:
                path.touch(mode=0o600, exist_ok=False)
            except FileExistsError:
                number += 1
            else:
                return path
    except OSError as error:
        raise CassetteError(
            f"{folder} can't be written to: {error.strerror}", "name a folder or file with -o"
        ) from None


def cassettes_in(folder: Path) -> list[Path]:
    """The cassettes of a folder, by name: those of one server come in the order of recording.

    Raises:
        CassetteError: There are none.
    """
    found = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES) and path.stat().st_size)
    if not found:
        raise CassetteError(f"there are no cassettes (*.jsonl) in {folder}", "record one into it first")
    return found
