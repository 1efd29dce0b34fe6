"""YAML with the place of every value kept; PyYAML reads it."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from mcptap.clients.node import NOWHERE, Node, SyntaxFault

_ALIAS: Final = re.compile(r"[\s:-]*\*[^\s,\[\]{}]+")
_MERGE: Final = "tag:yaml.org,2002:merge"


def parse(text: str) -> Node:
    """Parse a document.

    Raises:
        SyntaxFault: It is no YAML, or more than one document.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        return Node(None, 0, 0) if root is None else _Reader(loader, text).node(root, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SyntaxFault(error.problem or "it is no YAML", mark.index if mark else 0) from None
    except yaml.YAMLError as error:
        raise SyntaxFault(" ".join(str(error).split()), 0) from None
    except RecursionError:
        raise SyntaxFault("it is nested too deeply", 0) from None


def dump(value: Any, column: int) -> str:
    """Write a value as a block whose first line begins at ``column``."""
    lines = yaml.safe_dump(
        value, sort_keys=False, allow_unicode=True, default_flow_style=False, width=10_000
    ).splitlines()
    return f"\n{' ' * column}".join(lines)


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, text: str) -> None:
        self._loader = loader
        self._text = text

    def node(self, found: yaml.Node, after: int) -> Node:
        """The node of a value whose text stands behind the place ``after``, unless it is an alias."""
        start, end = found.start_mark.index, found.end_mark.index
        if start < after:
            return Node(self._plain(found))
        members: list[tuple[str, Node]] = []
        items: list[Node] = []
        ends = [start]
        if isinstance(found, yaml.MappingNode):
            for name, value in found.value:
                node = self.node(value, name.end_mark.index)
                ends.append(self._end(node, name.end_mark.index))
                if name.tag != _MERGE:
                    members.append((str(self._plain(name)), node))
        elif isinstance(found, yaml.SequenceNode):
            for value in found.value:
                items.append(self.node(value, ends[-1]))
                ends.append(self._end(items[-1], ends[-1]))
        if isinstance(found, yaml.CollectionNode) and not found.flow_style:
            end = ends[-1]  # PyYAML says of a block that it ends where the next thing begins
        end = start + len(self._text[start:end].rstrip())
        return Node(self._plain(found), start, end, tuple(members), tuple(items))

    def _plain(self, found: yaml.Node) -> Any:
        return self._loader.construct_object(found, deep=True)

    def _end(self, node: Node, after: int) -> int:
        if node.start != NOWHERE:
            return node.end
        alias = _ALIAS.match(self._text, after)
        return alias.end() if alias else after
