"""Names of members, headers and variables whose value is a secret, whatever it looks like."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

NEEDLES: Final = (
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "credential",
    "cookie",
)
"""Lower-case text of which every such name has a piece."""

_NAMES: Final = (
    (
        "password",
        r"pass(?:word|wd|phrase|code)s?|pwd|(?:pass(?:word|phrase))(?:confirm(?:ation)?|again|repeat)",
    ),
    (
        "api-key",
        r"(?:api|access|account|auth|encryption|license|master|service|shared|signing|subscription|user)keys?",
    ),
    ("private-key", r"privatekey|secretkey|secretaccesskey"),
    ("token", r"token|(?:access|api|auth|bearer|refresh)tokens"),
    ("secret", r"secrets?|credentials?"),
    ("authorization", r"authorization|xauth"),
    ("cookie", r"(?:set)?cookies?"),
)
_SECRET: Final = re.compile(
    "|".join(f"(?P<n{number}>.*(?:{names}))" for number, (_, names) in enumerate(_NAMES))
)

# Tokens that say where to go on, or that a text is cut into; keys that are no secret.
_NO_SECRET: Final = re.compile(
    r".*(?:progress|page|next|previous|prev|continuation|continue|resume|sync|change|delta|cursor|start|stop|end|"
    r"eos|bos|pad|unk|mask|max|min|num|total|input|output|prompt|completion|cached|reasoning|used)tokens?"
    r"|.*(?:public|foreign|primary|sort|partition)(?:access|api)?keys?"
)
_NOT_ALPHANUMERIC: Final = re.compile(r"[^a-z0-9]")
_LONGEST: Final = 64

NAMES: Final = tuple(name for name, _ in _NAMES)
"""The rules, by name."""


@lru_cache(maxsize=4096)
def rule_of(name: str) -> str | None:
    """The rule by which the value that has this name is a secret, if one does.

    ``GITHUB_TOKEN``, ``githubToken`` and ``x-github-token-2`` are all the same.
    """
    if len(name) > _LONGEST:
        return None
    plain = plain_name(name).rstrip("0123456789")
    if _NO_SECRET.fullmatch(plain):
        return None
    found = _SECRET.fullmatch(plain)
    return NAMES[int((found.lastgroup or "n0")[1:])] if found else None


def plain_name(name: str) -> str:
    """A name without case and punctuation."""
    return _NOT_ALPHANUMERIC.sub("", name.lower())
