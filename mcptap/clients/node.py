"""What a configuration says, and where in its text each part of it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

NOWHERE: Final = -1


class SyntaxFault(ValueError):  # noqa: N818 - it becomes the user's error where the file's name is known
    """A text doesn't follow its grammar.

    Attributes:
        offset: Where in the text, in characters.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a document.

    Attributes:
        value: The value in Python; of a member that stands there twice it is the last.
        start: Where its text begins, in characters; `NOWHERE` if it has no text of its own (an alias in
            YAML, everything in TOML).
        end: Where its text ends.
        members: The members of an object in the order of the text, repeated ones too.
        items: The items of an array.
    """

    value: Any
    start: int = NOWHERE
    end: int = NOWHERE
    members: tuple[tuple[str, Node], ...] = ()
    items: tuple[Node, ...] = ()

    def member(self, name: str) -> Node | None:
        """The member of an object, ``None`` where there is none."""
        return next((node for key, node in reversed(self.members) if key == name), None)

    def at(self, pointer: tuple[str, ...]) -> Node | None:
        """The value that a path of member names leads to, ``None`` where it leads nowhere."""
        found: Node | None = self
        for name in pointer:
            found = found.member(name) if found is not None else None
        return found

    def repeated(self) -> Iterator[tuple[str, Node]]:
        """The members whose name an earlier one has already."""
        seen: set[str] = set()
        for name, node in self.members:
            if name in seen:
                yield name, node
            seen.add(name)


def placeless(value: Any) -> Node:
    """The node of a value whose places in the text aren't known."""
    if isinstance(value, dict):
        return Node(value, members=tuple((str(name), placeless(each)) for name, each in value.items()))
    if isinstance(value, list):
        return Node(value, items=tuple(map(placeless, value)))
    return Node(value)
