"""A configuration file: read whole, parsed, and its tables of servers found."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mcptap.clients import jsonc
from mcptap.clients.node import NOWHERE, Node, SyntaxFault, placeless
from mcptap.errors import UsageError

Format: TypeAlias = Literal["JSON", "YAML", "TOML"]
Pointer: TypeAlias = tuple[str, ...]

_FORMATS: Final[dict[str, Format]] = {".yaml": "YAML", ".yml": "YAML", ".toml": "TOML"}
# Most clients, VS Code (a file of its own, and its settings), Codex, Goose.
_GOOSE: Final = ("extensions",)
_TABLES: Final[tuple[Pointer, ...]] = (
    ("mcpServers",),
    ("servers",),
    ("mcp", "servers"),
    ("mcp_servers",),
    _GOOSE,
)
_CORRECT: Final = "correct it there"
_LIKE_A_SERVER: Final = frozenset({"command", "url"})
_TOML_PLACE: Final = re.compile(r"(.*) \(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration file as it stands.

    Attributes:
        path: The file.
        text: All of it.
        root: What it says.
        format: Its language.
    """

    path: Path
    text: str
    root: Node
    format: Format

    def where(self, node: Node | None = None) -> str:
        """The file, and the line of a node where it is known, for people."""
        if node is None or node.start == NOWHERE:
            return str(self.path)
        return _place(self.path, self.text, node.start)

    def tables(self, projects: tuple[str, ...] = ()) -> Iterator[tuple[Pointer, Node]]:
        """The tables of servers, each with its path of member names.

        Args:
            projects: Folders whose tables in a file of Claude Code count, and come first.
        """
        found = False
        pointers = [("projects", project, "mcpServers") for project in projects]
        for pointer in (*pointers, *_TABLES):
            if pointer == _GOOSE and self.format != "YAML":
                continue
            table = self.root.at(pointer)
            if table is not None and isinstance(table.value, dict):
                found = True
                yield pointer, table
        # FastMCP takes a file without any table for one.
        if not found and any(_LIKE_A_SERVER & dict(node.members).keys() for _, node in self.root.members):
            yield (), self.root


def read(path: Path) -> Document:
    """Read a configuration file.

    Raises:
        UsageError: There is none, it can't be read, or it doesn't follow its grammar.
    """
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise UsageError(f"there is no configuration {path}", "check the path") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder", "name the configuration file in it") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8: {error.reason} at byte {error.start}", "save it as UTF-8"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    return parse(path, text)


def parse(path: Path, text: str) -> Document:
    """Parse the text of a configuration file, in the language that its suffix tells.

    Raises:
        UsageError: It doesn't follow its grammar.
    """
    language = _FORMATS.get(path.suffix.lower(), "JSON")
    try:
        if language == "TOML":
            root = placeless(tomllib.loads(text))
        elif language == "YAML":
            from mcptap.clients import yaml  # noqa: PLC0415 - most have no need of it

            root = yaml.parse(text)
        else:
            root = jsonc.parse(text)
    except SyntaxFault as fault:
        raise UsageError(f"{_place(path, text, fault.offset)} is not {language}: {fault}", _CORRECT) from None
    except tomllib.TOMLDecodeError as error:
        found = _TOML_PLACE.fullmatch(str(error))
        what, place = (found[1], f"{path}, line {found[2]}") if found else (str(error), str(path))
        raise UsageError(f"{place} is not TOML: {what}", _CORRECT) from None
    return Document(path, text, root, language)


def _place(path: Path, text: str, offset: int) -> str:
    return f"{path}, line {text.count(chr(10), 0, offset) + 1}"
