"""Opening a cassette to go on with it: what is in it, and its torn end out of the way.

Nothing is thrown away: what is cut off goes to the end of NAME.torn first (CASSETTE.md, "Promises of
the writer").
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from mcptap.cassette import members
from mcptap.cassette.files import flush
from mcptap.cassette.framing import Framing
from mcptap.cassette.scanning import Line, Torn, header_of, scan
from mcptap.model import CassetteHeader, Json

_TORN_SUFFIX: Final = ".torn"


@dataclass(frozen=True, slots=True)
class Resumed:
    """A cassette that can be appended to.

    ``next_seq`` and ``next_session`` are the first free numbers; ``latest_at`` is the latest time in
    it (seconds since its header), and ``torn`` the file that has its torn end, if it had one.
    """

    header: CassetteHeader
    next_seq: int
    next_session: int
    latest_at: float
    torn: Path | None


def resume(path: Path, descriptor: int, framing: Framing) -> Resumed:
    """Read the cassette through, then cut off its torn end and give its last line its newline.

    Args:
        path: Its name, for messages and for NAME.torn.
        descriptor: It, opened for reading and appending, under the writer's lock.
        framing: How its lines are framed.

    Raises:
        CassetteError: It is not a cassette, or it is damaged in the middle; nothing was changed then.
        OSError: It can't be read, or its torn end can't be saved.
    """
    next_seq = next_session = 1
    latest_at = 0.0
    terminated = True
    torn: Torn | None = None
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        found = scan(path, file, framing)
        first = next(found, None)
        header = header_of(path, first)
        for item in chain((first,), found):
            if isinstance(item, Line):
                terminated = item.terminated
                next_seq = max(next_seq, int(_number(item.content, "seq")) + 1)
                next_session = max(next_session, int(_number(item.content, "session")) + 1)
                latest_at = max(latest_at, _number(item.content, "at"))
            else:
                torn = item
    saved = _cut(path, descriptor, torn) if torn else None
    if not terminated:
        os.write(descriptor, b"\n")
    return Resumed(header, next_seq, next_session, latest_at, saved)


def _cut(path: Path, descriptor: int, torn: Torn) -> Path:
    """Move the torn end to the end of NAME.torn: it is safe there before it is gone here."""
    saved = path.with_name(path.name + _TORN_SUFFIX)
    target = os.open(saved, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(target, "ab") as target_file, os.fdopen(descriptor, "rb", closefd=False) as file:
        file.seek(torn.offset)
        shutil.copyfileobj(file, target_file)
        target_file.flush()
        flush(target)
    os.ftruncate(descriptor, torn.offset)
    return saved


def _number(content: Json, name: str) -> float:
    try:
        return members.number(content, name)
    except ValueError:
        return 0
