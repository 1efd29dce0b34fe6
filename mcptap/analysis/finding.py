"""What the user points at, files and folders, as cassettes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcptap.cassette.compression import BROKEN_OFF, opened
from mcptap.cassette.scanning import header_of, scan
from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader

SUFFIXES: Final = (".jsonl", ".jsonl.zst", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class Source:
    """A cassette to be read: its path as the user gave it, and its header."""

    path: Path
    header: CassetteHeader


@dataclass(frozen=True, slots=True)
class Found:
    """The cassettes that were found, and what was passed over in folders, with the reason in a line."""

    sources: tuple[Source, ...]
    passed_over: tuple[str, ...]


def find(paths: Sequence[str | os.PathLike[str]]) -> Found:
    """The cassettes that ``paths`` name: files, and whatever cassettes are in and below folders.

    A file may be compressed as a whole, too: ``.jsonl.gz``, and ``.jsonl.zst`` in one frame.

    Raises:
        CassetteError: A file that was named is no cassette, or a folder has none.
    """
    sources: dict[Path, Source] = {}
    passed_over: list[str] = []
    for path in map(Path, paths):
        if not path.is_dir():
            sources.setdefault(path.resolve(), _source(path))
            continue
        before = len(sources)
        known = 0
        for candidate in _candidates(path):
            if candidate.resolve() in sources:
                known += 1
                continue
            try:
                sources[candidate.resolve()] = _source(candidate)
            except CassetteError as error:
                passed_over.append(error.message)
        if len(sources) == before and not known:
            why = f": {passed_over[0]}" if passed_over else ""
            raise CassetteError(
                f"there are no cassettes (*.jsonl) in {path}{why}", "record one into it first"
            )
    return Found(tuple(sources.values()), tuple(passed_over))


def _candidates(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names) if name.endswith(SUFFIXES))


def _source(path: Path) -> Source:
    try:
        with opened(path) as (file, framing):
            return Source(path, header_of(path, next(scan(path, file, framing), None)))
    except FileNotFoundError:
        raise CassetteError(f"{path} does not exist", "name a recording, or a folder of them") from None
    except BROKEN_OFF as error:
        raise CassetteError(f"{path} can't be decompressed: {error}", "restore it") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise CassetteError(
            f"{path} can't be read: {reason}", "check its name and its permissions"
        ) from error
