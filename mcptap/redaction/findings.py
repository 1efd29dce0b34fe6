"""What redaction would take out of a value, told without telling it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from mcptap.redaction.placeholder import PLACEHOLDER

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_AROUND: Final = 24


class Finding(NamedTuple):
    """A secret: where it stands, the rule that found it, and the text around it without it."""

    path: str
    rule: str
    hint: str


def findings(before: Any, after: Any, path: str) -> Iterator[Finding]:
    """The secrets that ``before`` has and ``after``, which is it redacted, hasn't.

    Args:
        before: The value as it is.
        after: The value as it would be.
        path: Where it stands; members and items are added to it.
    """
    if before is after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for (key, item), (new_key, new_item) in zip(before.items(), after.items(), strict=True):
            yield from findings(key, new_key, f"{path} (a member's name)")
            name = f".{new_key}" if _PLAIN_NAME.fullmatch(new_key) else f"[{new_key!r}]"
            yield from findings(item, new_item, path + name)
    elif isinstance(before, list) and isinstance(after, list):
        for number, (item, new_item) in enumerate(zip(before, after, strict=True)):
            yield from findings(item, new_item, f"{path}[{number}]")
    elif before != after:
        yield from _in_text(str(before), str(after), path)


def _in_text(before: str, after: str, path: str) -> Iterator[Finding]:
    there_before = Counter(PLACEHOLDER.findall(before))
    found = False
    for placeholder in PLACEHOLDER.finditer(after):
        there_before[placeholder[0]] -= 1
        if there_before[placeholder[0]] < 0:
            found = True
            start = max(0, placeholder.start() - _AROUND)
            rule = placeholder[0].split(":")[1]
            yield Finding(path, rule, f"{after[start : placeholder.start()]}‹{rule}›")
    if not found:
        yield Finding(path, "base64", "a text in base64")
