"""Opening what `replay` is pointed at: a cassette, or a folder of one server's cassettes."""

from __future__ import annotations

from pathlib import Path

from mcptap.cassette.naming import cassettes_in
from mcptap.cassette.reader import Cassette, open_cassette
from mcptap.errors import CassetteError


def open_all(path: Path) -> list[Cassette]:
    """Open a cassette, or all the cassettes of a folder in the order of their recording.

    Raises:
        CassetteError: One of them can't be read, or the folder holds those of several servers.
    """
    if not path.is_dir():
        return [open_cassette(path)]
    cassettes = sorted(map(open_cassette, cassettes_in(path)), key=lambda each: each.header.recorded_at)
    names = sorted({each.header.upstream.name if each.header.upstream else "?" for each in cassettes})
    if len(names) > 1:
        raise CassetteError(
            f"{path} has cassettes of {len(names)} servers ({', '.join(names)})", "name one cassette"
        )
    return cassettes
