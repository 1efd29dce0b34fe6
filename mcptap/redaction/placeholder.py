"""What stands where a secret was: ``‹redacted:github-token:0f3a…›``, the same for the same secret.

The tag is a hash of the secret, keyed by the cassette's salt, so that a replay can make it again from
a live secret without the recording holding it. Somebody who has the cassette can check a guess in the
same way; what could be guessed is therefore hashed slowly.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from hashlib import blake2b, scrypt
from typing import Final

PLACEHOLDER: Final = re.compile(r"‹redacted:[a-z0-9-]+:[0-9a-f]{16}›")
"""A placeholder, wherever it stands."""

# A client may write what it was given as part of a URL, or escaped in JSON; it is the same placeholder.
_ENCODED: Final = re.compile(
    r"(?:‹|%E2%80%B9|\\+u2039)redacted(?::|%3A)([a-z0-9-]+)(?::|%3A)([0-9a-f]{16})(?:›|%E2%80%BA|\\+u203a)",
    re.IGNORECASE,
)

ENCODED_NEEDLES: Final = ("%e2%80%b9redacted", "u2039redacted")
"""Lower-case text that every encoded placeholder has a piece of."""

_TAG_BYTES: Final = 8
_SCRYPT_COST: Final = 2**10  # with r=8: 1 MiB and one to three milliseconds, once for each secret
_REMEMBERED: Final = 4096


def decoded(text: str) -> str:
    """``text`` with every placeholder in it written plainly, however it was encoded."""
    return _ENCODED.sub(lambda found: f"‹redacted:{found[1].lower()}:{found[2].lower()}›", text)


def is_placeholder(text: str) -> bool:
    """Whether ``text`` is one placeholder and nothing else."""
    return PLACEHOLDER.fullmatch(text) is not None


class Placeholders:
    """Makes the placeholders of one cassette.

    Args:
        salt: The cassette's salt.
    """

    def __init__(self, salt: str) -> None:
        self._salt = salt.encode()
        self._made: OrderedDict[tuple[str, bool], str] = OrderedDict()

    def of(self, secret: str, rule: str, *, guessable: bool) -> str:
        """The placeholder of a piece of text.

        Args:
            secret: The text that it replaces.
            rule: The name of the rule that found it.
            guessable: Whether somebody chose it, so that it must be hashed slowly.
        """
        return f"‹redacted:{rule}:{self._tag(secret, guessable)}›"

    def of_number(self, number: str, rule: str) -> str:
        """The placeholder of a number as it is spelled; never that of the text with the same digits."""
        return self.of(f"\0{number}", rule, guessable=True)

    def _tag(self, secret: str, guessable: bool) -> str:
        known = self._made.get((secret, guessable))
        if known is not None:
            return known
        data = secret.encode("utf-8", "surrogatepass")
        if guessable:
            made = scrypt(data, salt=self._salt, n=_SCRYPT_COST, r=8, p=1, dklen=_TAG_BYTES)
        else:
            made = blake2b(data, key=blake2b(self._salt).digest(), digest_size=_TAG_BYTES).digest()
        self._made[secret, guessable] = tag = made.hex()
        if len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        return tag
