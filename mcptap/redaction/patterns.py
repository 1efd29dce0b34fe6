"""Secrets that show by what they look like: the tokens of well-known services, and a few forms of text.

Each rule has needles, which cost next to nothing to look for; only where one is found is the pattern
tried, at that place.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rule for a form of text.

    Attributes:
        name: What the rule is called in placeholders.
        needles: Lower-case ASCII text with which every match has to begin, ``lead`` characters in.
        regex: Matched at the beginning; its group ``secret``, or else all of it, is the secret.
        lead: How many characters of the match stand before the needle.
        guessable: Whether people choose such secrets, so that the placeholder must be hashed slowly.
        holds: Looks at the secret more closely than a regular expression can.
    """

    name: str
    needles: tuple[str, ...]
    regex: re.Pattern[str]
    lead: int = 0
    guessable: bool = False
    holds: Callable[[str], bool] = lambda _: True


def _token(name: str, needles: str, regex: str, *, lead: int = 0) -> Pattern:
    return Pattern(name, tuple(needles.split()), re.compile(rf"(?<![A-Za-z0-9])(?:{regex})"), lead)


def _is_user_and_password(text: str) -> bool:
    try:
        return b":" in b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return False


TOKENS: Final = (
    _token(
        "github-token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[opusr]_[A-Za-z0-9_]{20,}(?:\.[A-Za-z0-9_-]{8,})*"
    ),
    _token("github-token", "github_pat_", r"github_pat_[A-Za-z0-9_]{20,}"),
    _token("gitlab-token", "glpat- glrt- gldt-", r"gl(?:pat|rt|dt)-[A-Za-z0-9_.-]{16,}"),
    _token("aws-access-key", "akia asia", r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _token("slack-token", "xox xapp-", r"x(?:ox[a-z]|app)-[A-Za-z0-9-]{10,}"),
    _token("stripe-key", "k_live_ k_test_", r"[rsp]k_(?:live|test)_[A-Za-z0-9]{10,}", lead=1),
    # OpenAI's, Anthropic's and those of many that followed them
    _token("api-key", "sk-", r"sk-[A-Za-z0-9_-]{20,}"),
    _token("google-api-key", "aiza", r"AIza[A-Za-z0-9_-]{30,}"),
    _token("google-oauth", "ya29. gocspx-", r"(?:ya29\.|GOCSPX-)[A-Za-z0-9_-]{20,}"),
    _token("npm-token", "npm_", r"npm_[A-Za-z0-9]{30,}"),
    _token("pypi-token", "pypi-ag", r"pypi-Ag[A-Za-z0-9_-]{30,}"),
    _token("huggingface-token", "hf_", r"hf_[A-Za-z0-9]{30,}"),
    _token("sendgrid-key", "sg.", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _token("jwt", "eyj", r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    Pattern(
        "private-key",
        ("-----begin",),
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
            r"(?:.*?-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=:,\s\\-]*)",
            re.DOTALL,
        ),
    ),
)
"""What may be a secret in any text, even where people read it."""

FORMS: Final = (
    Pattern(
        "bearer",
        ("bearer",),
        re.compile(
            r"(?i:bearer)(?:\s|%20|\+)+(?P<secret>(?=[^\s‹]*[0-9]|[^\s‹]{24})[A-Za-z0-9_.~+/%-]{8,}=*)"
        ),
    ),
    Pattern(
        "basic",
        ("basic",),
        re.compile(r"(?i:basic)(?:\s|%20)+(?P<secret>[A-Za-z0-9+/]{4,}={0,2})"),
        guessable=True,
        holds=_is_user_and_password,
    ),
    Pattern(
        "url-password",
        ("://",),
        re.compile(r"""://[^\s/?\#@:"'<>‹›\\]*:(?P<secret>[^\s/?\#@"'<>‹›\\]+)@"""),
        guessable=True,
    ),
    Pattern(
        "url-token", ("://",), re.compile(r"""://(?P<secret>[^\s/?\#@:"'<>‹›\\]{16,})(?::x-oauth-basic)?@""")
    ),
)
"""What is a secret by the text around it."""
