"""Seeing at a glance that a message has no secret, as nearly every message has none."""

from __future__ import annotations

import re
from itertools import chain
from typing import Final

from mcptap.redaction import keys
from mcptap.redaction.patterns import FORMS, TOKENS
from mcptap.redaction.placeholder import ENCODED_NEEDLES

_BLOB: Final = '"blob":'
_ALL: Final = dict.fromkeys(
    (
        *keys.NEEDLES,
        *chain.from_iterable(pattern.needles for pattern in (*TOKENS, *FORMS)),
        _BLOB,
        *ENCODED_NEEDLES,
    )
)
# Every request has one, and it is not the kind of token that is looked for.
_PROGRESS_TOKEN: Final = b'"progresstoken"'


def _group(mark: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A regular expression for all needles that have a certain character, and these.

    It begins with that character, which is what `re` finds fastest; what stands around it is looked at
    only there. That is one way through the text instead of one for each needle.
    """
    needles = tuple(needle for needle in _ALL if mark in needle)
    split = ((needle, needle.rindex(mark) + 1) for needle in needles)
    around = (f"(?<={re.escape(needle[:at])})(?={re.escape(needle[at:])})" for needle, at in split)
    return re.compile(f"{re.escape(mark)}(?:{'|'.join(around)})"), needles


_GROUPS: Final = (_group("_"), _group("-"))
_SINGLE: Final = tuple(needle for needle in _ALL if "_" not in needle and "-" not in needle)


def needles_in(text: bytes) -> set[str]:
    """The pieces of secrets, or of names of secrets, that occur in a JSON text; mostly none."""
    lowered = text.lower()
    if _PROGRESS_TOKEN in lowered:
        lowered = lowered.replace(_PROGRESS_TOKEN, b"")
    # A search in text is several times as fast as one in bytes, and needles are ASCII.
    searched = lowered.decode("latin-1")
    found = {needle for needle in _SINGLE if needle in searched}
    for group, needles in _GROUPS:
        if group.search(searched) is not None:
            found.update(needle for needle in needles if needle in searched)
    return found
