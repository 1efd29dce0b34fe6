"""JSON whose numbers compare by their spelling, and messages that remember their source text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.servers.wire_call import members


@dataclass(frozen=True)
class Number:
    """A JSON number as it was written: ``1.0``, ``1.00`` and ``1`` are three different ones.

    It equals a Python number whose usual spelling is the same, so that ``count == 3`` reads well.
    """

    text: str

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Number):
            return self.text == other.text
        if isinstance(other, (int, float)) and not isinstance(other, bool):
            return self.text == repr(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

    def __int__(self) -> int:
        return int(self.text)

    def __float__(self) -> float:
        return float(self.text)


def parse(text: str) -> Any:
    """Parse a JSON text; numbers become `Number`, members keep their order."""
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number)


def spell(value: Any) -> str:
    """Write what `parse` gave, or plain Python values, as one line of JSON without spaces.

    Two texts are the same to the last digit, member and order where their spellings are equal; only
    how strings are escaped and the space between tokens may differ.
    """
    if isinstance(value, Number):
        return value.text
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{spell(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(spell, value)) + "]"
    return json.dumps(value)


@dataclass(frozen=True)
class Message:
    """What arrived: the exact text and its members; over HTTP also the status and the headers.

    ``body`` is empty where the text is no JSON object (an HTML page, an empty 202).
    """

    text: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def body(self) -> dict[str, Any]:
        try:
            found = parse(self.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def id(self) -> Any:
        return self.body.get("id")

    @property
    def method(self) -> str | None:
        return self.body.get("method")

    @property
    def params(self) -> Any:
        return self.body.get("params")

    @property
    def result(self) -> Any:
        """The result; fails with the whole text where there is none."""
        assert "result" in self.body, self.text
        return self.body["result"]

    @property
    def error(self) -> Any:
        """The error; fails with the whole text where there is none."""
        assert "error" in self.body, self.text
        return self.body["error"]

    @property
    def outcome(self) -> str:
        """The result or error with its name, spelled exactly: what must be the same through a proxy."""
        name = "error" if "error" in self.body else "result"
        return spell({name: self.body.get(name)})

    def source(self, *path: str) -> str:
        """The exact slice of the text at ``path``: ``source("result", "structuredContent")``."""
        text = self.text
        for name in path:
            text = members(text)[name]
        return text
