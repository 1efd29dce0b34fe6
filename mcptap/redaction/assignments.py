"""Secrets that text gives a name to: ``"password": "…"`` in JSON, ``API_KEY=…``, ``Authorization: …``.

A tool's result is mostly text, and that text is often JSON, a configuration file or a shell script.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from string import ascii_letters, digits
from typing import Final, NamedTuple

_LONGEST_NAME: Final = 64
_LONGEST_VALUE: Final = 16384
_IN_NAMES: Final = ascii_letters + digits + "_.-"
_NAME_AFTER: Final = re.compile(r"[A-Za-z0-9_-]*")

# JSON inside JSON escapes its quotes, so a quote may have backslashes.
_OPENED: Final = re.compile(r"""(?:\\*["'])?\s*(?::=|=>|=|:)\s*(\\*)(["'])""")
_NUMBER: Final = re.compile(r"""(?P<quote>\\*["'])\s*:\s*(?P<value>-?[0-9][0-9.eE+-]*)""")
_ASSIGNED: Final = re.compile(r"""(?:=|%3[dD])(?P<value>[^\s"'\\,;&#(){}\[\]<>‹›$%]{4,})""")
_COLON: Final = re.compile(
    r"""[ \t]*:[ \t]+(?P<value>(?=[^\s‹›]*[0-9])[^\s"'\\,;(){}\[\]<>‹›$]{6,})[ \t]*(?:\Z|[\r\n]|\\[rn])"""
)
_HEADER: Final = re.compile(
    r"""[ \t]*:[ \t]*+(?>(?:[A-Za-z][A-Za-z0-9-]*[ \t]+)?)(?P<value>[^\s"'\\‹›](?>[^\r\n"'\\‹›]{3,})(?!‹))"""
)
_HEADERS: Final = ("authorization", "cookie")


class Assignment(NamedTuple):
    """Where the value stands that has a secret's name, and the rule of that.

    ``quote`` is what a text in its place has to be put in, where it was a number.
    """

    begin: int
    end: int
    rule: str
    quote: str = ""


def assignments(
    text: str, lowered: str, needles: tuple[str, ...], rule_of: Callable[[str], str | None]
) -> Iterator[Assignment]:
    """Every value in ``text`` whose name makes it a secret.

    Args:
        text: The text.
        lowered: It in lower case.
        needles: What to look for in it to find names.
        rule_of: The rule of a name.
    """
    for needle in needles:
        at = lowered.find(needle)
        while at >= 0:
            before = len(text[max(0, at - _LONGEST_NAME) : at].rstrip(_IN_NAMES)) + max(0, at - _LONGEST_NAME)
            after = _NAME_AFTER.match(text, at)
            name_end = after.end() if after else at
            rule = rule_of(text[before:name_end])
            if rule is not None and (found := _value(text, name_end, rule)) is not None:
                yield found
            at = lowered.find(needle, max(name_end, at + 1))


def _value(text: str, at: int, rule: str) -> Assignment | None:
    opened = _OPENED.match(text, at)
    if opened is not None:
        end = _closing_quote(text, opened.end(), opened[2], len(opened[1]))
        return None if end is None else Assignment(opened.end(), end, rule)
    if rule in _HEADERS and (header := _HEADER.match(text, at)) is not None:
        return Assignment(*header.span("value"), rule)
    if (number := _NUMBER.match(text, at)) is not None:
        return Assignment(*number.span("value"), rule, number["quote"])
    for form in (_ASSIGNED, _COLON):
        if (found := form.match(text, at)) is not None:
            return Assignment(*found.span("value"), rule)
    return None


def _closing_quote(text: str, begin: int, quote: str, backslashes: int) -> int | None:
    """Where the value ends that began behind a quote with so many backslashes; ``None`` if it is empty.

    At each level of JSON in JSON every quote and every backslash of the level before gets one more
    backslash before it, so that the number of backslashes tells a quote that closes from one inside.
    """
    at = text.find(quote, begin, begin + _LONGEST_VALUE)
    while at >= 0:
        before = 0
        while at - before > begin and text[at - before - 1] == "\\":
            before += 1
        if before % (2 * (backslashes + 1)) == backslashes:
            return at - backslashes if at - backslashes > begin else None
        at = text.find(quote, at + 1, begin + _LONGEST_VALUE)
    return None
