"""What the recordings of all other tools have in common: messages, with who said them and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeGuard

from mcptap.model import Side


class Said(NamedTuple):
    """One JSON-RPC message.

    Attributes:
        at: Seconds since the recording began.
        source: Who said it.
        message: It.
        stream: The id of the request in whose answer the server said it, where that is known (HTTP).
        outside: Whether it is known to have been said outside any request (HTTP).
    """

    at: float
    source: Side
    message: dict[str, Any]
    stream: str | int | None = None
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """A recording of another tool.

    Attributes:
        tool: What recorded it.
        began: When, as far as it says.
        transport: ``stdio`` or ``http``.
        target: What was started or called; empty where it doesn't say.
        said: The messages in their order.
        name: What the server is called; ``None`` where it doesn't say.
        passed_over: How many of its entries are no messages: text that is no JSON-RPC, a torn end.
        opened: How many schemas it had masked, which allow anything now.
    """

    tool: str
    began: datetime
    transport: str
    target: tuple[str, ...]
    said: Sequence[Said]
    name: str | None = None
    passed_over: int = 0
    opened: int = 0


def is_message(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value is a message of JSON-RPC 2.0: it has a method, or answers something."""
    return (
        isinstance(value, dict)
        and is_id(value.get("id"))
        and (
            isinstance(value.get("method"), str)
            or ("method" not in value and "id" in value and ("result" in value or "error" in value))
        )
    )


def is_id(value: Any) -> bool:
    """Whether a JSON value can be the id of a request, or is none."""
    return value is None or isinstance(value, (str, int, float))


def moment(text: str) -> datetime:
    """A time (RFC 3339) in UTC; raises ValueError where it is none."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
