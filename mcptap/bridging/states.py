"""States that are handed to a client and come back once: who may bring them, and with which request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class _Issued(Generic[_Value]):
    value: _Value
    owner: object
    request: bytes


class States(Generic[_Value]):
    """The states that are out. A state is a random token: it can't be forged, and tells nothing.

    Args:
        new_token: Gives a token that nobody can guess.
    """

    def __init__(self, new_token: Callable[[], str]) -> None:
        self._new_token = new_token
        self._issued: dict[str, _Issued[_Value]] = {}

    def __len__(self) -> int:
        return len(self._issued)

    def issue(self, value: _Value, owner: object, request: bytes) -> str:
        """A state for ``value``.

        Args:
            value: What it stands for.
            owner: Who alone may bring it back.
            request: The canonical form of the one request that it belongs to.
        """
        token = self._new_token()
        self._issued[token] = _Issued(value, owner, request)
        return token

    def owner(self, token: object) -> object:
        """Whose a state is; ``None`` for one that isn't out."""
        issued = self._issued.get(token) if isinstance(token, str) else None
        return None if issued is None else issued.owner

    def redeem(self, token: object, owner: object, request: bytes) -> _Value | None:
        """What a state stands for, once; ``None`` if it is forged, used, withdrawn, or not the bringer's.

        One that the wrong client or the wrong request brings stays valid for the right one.
        """
        issued = self._issued.get(token) if isinstance(token, str) else None
        if issued is None or issued.owner != owner or issued.request != request:
            return None
        del self._issued[str(token)]
        return issued.value

    def withdraw(self, token: str) -> None:
        """Have a state mean nothing any more."""
        self._issued.pop(token, None)
