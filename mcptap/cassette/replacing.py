"""Files that are made of recordings: written beside their place, and put there once they are whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write to, which takes the place of ``path`` at the end, readable by its owner alone.

    Where something goes wrong, ``path`` stays as it was. What is no regular file, such as a pipe, is written
    to itself. Raises OSError.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    place = path.resolve()  # a link stays one
    descriptor, name = tempfile.mkstemp(prefix=".mcptap-", suffix=place.suffix, dir=place.parent)
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
        partial.replace(place)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
