"""What the user points at, files and folders, as cassettes."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import zstandard

from mcptap.cassette.files import require_regular_file
from mcptap.cassette.framing import Framing, PlainFraming, framing_of
from mcptap.cassette.scanning import header_of, scan
from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader

SUFFIXES: Final = (".jsonl", ".jsonl.zst", ".jsonl.gz")
_FRAME_OF_A_LINE: Final = 1 << 16


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
    except (EOFError, zstandard.ZstdError) as error:
        raise CassetteError(f"{path} can't be decompressed: {error}", "restore it") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise CassetteError(
            f"{path} can't be read: {reason}", "check its name and its permissions"
        ) from error


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, Framing]]:
    """A cassette open for reading, and how its lines are framed once it is; raises OSError."""
    require_regular_file(path)
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            yield cast("BinaryIO", file), PlainFraming()
    elif path.suffix == ".zst" and _is_one_frame(path):
        with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as reader:
            yield cast("BinaryIO", _Forwards(reader)), PlainFraming()
    else:
        with path.open("rb") as file:
            yield file, framing_of(path)


class _Forwards(io.BufferedReader):
    """A stream that can't seek: it is read from its start, and asked for nothing else."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if offset or whence:
            raise io.UnsupportedOperation("seek")
        return 0


def _is_one_frame(path: Path) -> bool:
    """Whether a frame holds more than a line, as those that ``zstd`` writes do."""
    with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as reader:
        start = reader.read(_FRAME_OF_A_LINE)
    return 0 <= start.find(b"\n") < len(start) - 1
