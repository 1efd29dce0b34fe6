"""JSON as editors write it: with comments and trailing commas, and the place of every value kept."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from mcptap.clients.node import Node, SyntaxFault

_GAP: Final = re.compile(r"(?:[ \t\r\n\ufeff]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_SCALAR: Final = re.compile(
    r'"(?:[^"\\\x00-\x1f]|\\.)*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null'
)


def parse(text: str) -> Node:
    """Parse a document.

    Raises:
        SyntaxFault: It is no JSON, not even with comments and trailing commas.
    """
    parser = _Parser(text)
    try:
        node = parser.value(parser.gap(0))
    except RecursionError:
        raise SyntaxFault("it is nested too deeply", 0) from None
    end = parser.gap(node.end)
    if end < len(text):
        raise SyntaxFault(f"nothing may follow the value, but {parser.found(end)} does", end)
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text

    def gap(self, at: int) -> int:
        """The end of white space and comments."""
        match = _GAP.match(self._text, at)
        end = match.end() if match else at
        if self._text.startswith("/*", end):
            raise SyntaxFault("a comment has no end", end)
        return end

    def found(self, at: int) -> str:
        """What stands at a place, in words."""
        return repr(self._text[at]) if at < len(self._text) else "the end of the file"

    def value(self, at: int) -> Node:
        opening = self._text[at : at + 1]
        if opening == "{":
            return self._object(at)
        if opening == "[":
            return self._array(at)
        match = _SCALAR.match(self._text, at)
        if match is None:
            raise SyntaxFault(f"a value was expected, not {self.found(at)}", at)
        return Node(self._scalar(match[0], at), at, match.end())

    def _scalar(self, token: str, at: int) -> Any:
        try:
            return json.loads(token)
        except ValueError:
            raise SyntaxFault("a string with a wrong escape", at) from None

    def _object(self, start: int) -> Node:
        members: list[tuple[str, Node]] = []
        at = self.gap(start + 1)
        while not self._text.startswith("}", at):
            if not self._text.startswith('"', at):
                raise SyntaxFault(f'a name in "…" was expected, not {self.found(at)}', at)
            name = self.value(at)
            at = self.gap(name.end)
            if not self._text.startswith(":", at):
                raise SyntaxFault(f"':' was expected, not {self.found(at)}", at)
            node = self.value(self.gap(at + 1))
            members.append((name.value, node))
            at = self._after(node.end, "}")
        value = {name: node.value for name, node in members}
        return Node(value, start, at + 1, members=tuple(members))

    def _array(self, start: int) -> Node:
        items: list[Node] = []
        at = self.gap(start + 1)
        while not self._text.startswith("]", at):
            items.append(self.value(at))
            at = self._after(items[-1].end, "]")
        return Node([node.value for node in items], start, at + 1, items=tuple(items))

    def _after(self, at: int, closing: str) -> int:
        """The place of the next item, or of what closes the list."""
        at = self.gap(at)
        if self._text.startswith(",", at):
            return self.gap(at + 1)
        if not self._text.startswith(closing, at):
            raise SyntaxFault(f"',' or '{closing}' was expected, not {self.found(at)}", at)
        return at
