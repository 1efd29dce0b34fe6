"""How an explanation looks where stderr goes."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

from mcptap.matching.columns import PLAIN, Look


def look_of(stream: TextIO) -> Look:
    """Colour and the terminal's width on a terminal; plain text in a file, a pipe, or in CI.

    ``NO_COLOR`` (https://no-color.org), ``TERM=dumb`` and ``CI`` are honoured.
    """
    if not stream.isatty():
        return PLAIN
    plain = any(os.environ.get(name) for name in ("NO_COLOR", "CI")) or os.environ.get("TERM") == "dumb"
    return Look(shutil.get_terminal_size().columns, not plain)
