"""Putting secrets back where a cassette has placeholders, for a server that wants the real ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mcptap.codec import dumps
from mcptap.redaction.known import Known
from mcptap.redaction.placeholder import PLACEHOLDER, Placeholders


class Revealer:
    """Knows some of the secrets of a cassette by their placeholders.

    Args:
        secrets: The secrets.
        salt: The cassette's salt.
    """

    def __init__(self, secrets: Iterable[str], salt: str) -> None:
        placeholders = Placeholders(salt)
        self._by_tag = {
            _tag(placeholders.of(secret, "secret", guessable=guessable)): (secret, guessable)
            for secret in secrets
            for guessable in (True, False)
        }

    def hidden(self, value: Any) -> str | None:
        """The rule of the first placeholder in a JSON value whose secret isn't known, if there is one."""
        for found in PLACEHOLDER.finditer(dumps(value).decode("utf-8", "replace")):
            if _tag(found[0]) not in self._by_tag:
                return _rule(found[0])
        return None

    def revealed(self, value: Any, known: Known) -> Any:
        """A JSON value with the secrets that are known in the place of their placeholders.

        Args:
            value: The value.
            known: What the session has shown: it learns them, so that they are found wherever they come back.
        """
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda found: self._revealed(found[0], known), value)
        if isinstance(value, Mapping):
            return {self.revealed(key, known): self.revealed(item, known) for key, item in value.items()}
        return [self.revealed(item, known) for item in value] if isinstance(value, list) else value

    def _revealed(self, placeholder: str, known: Known) -> str:
        secret, guessable = self._by_tag.get(_tag(placeholder), (placeholder, None))
        if guessable is not None:
            known.add(secret, _rule(placeholder), guessable=guessable)
        return secret


def _tag(placeholder: str) -> str:
    return placeholder.rpartition(":")[2]


def _rule(placeholder: str) -> str:
    return placeholder.split(":")[1]
