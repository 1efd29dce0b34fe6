"""Where each client keeps its configuration, and which entry of it a user means.

The places are those in the clients' own documentation; for the clients that FastMCP knows, a test holds
them against `fastmcp.cli.discovery`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcptap.clients.document import Document, Pointer, read
from mcptap.clients.node import Node
from mcptap.errors import UsageError

_TOP: Final = 2


@dataclass(frozen=True, slots=True)
class Place:
    """One entry in a configuration.

    Attributes:
        document: The configuration.
        pointer: The path of member names to the entry; the last is the server's name.
        node: The entry.
    """

    document: Document
    pointer: Pointer
    node: Node

    @property
    def name(self) -> str:
        """What the configuration calls the server."""
        return self.pointer[-1]


def entries_of(what: str) -> list[Place]:
    """The entries that ``CLIENT:NAME`` or ``FILE:NAME`` may mean, the one that is in effect first.

    Raises:
        UsageError: There is no such client, file or entry.
    """
    files, name = _files_and_name(what)
    documents = [read(path) for path in files]
    found: list[Place] = []
    names: dict[str, None] = {}
    for document in documents:
        for pointer, table in document.tables(_projects()):
            names.update(dict.fromkeys(key for key, _ in table.members))
            if [key for key, _ in table.members].count(name) > 1:
                raise UsageError(f"{document.where(table)}: {name!r} is named twice", "rename one of them")
            if (node := table.member(name)) is not None:
                found.append(Place(document, (*pointer, name), node))
    # Claude Code has the user's servers for this project and for all in one file; the project's own come
    # in between.
    found.sort(key=lambda place: place.document.path.name == ".claude.json" and len(place.pointer) == _TOP)
    if not found:
        where = " and ".join(str(document.path) for document in documents)
        hint = f"it has {', '.join(names)}" if names else "it has no servers at all"
        raise UsageError(f"there is no server {name!r} in {where}", hint)
    return found


def _files_and_name(what: str) -> tuple[list[Path], str]:
    client, colon, name = what.partition(":")
    if colon and name and client in CLIENTS:
        candidates = list(dict.fromkeys(CLIENTS[client]()))
        files = [path for path in candidates if path.is_file()]
        if not files:
            looked = ", ".join(map(str, candidates))
            raise UsageError(f"{client} has no configuration here", f"looked for {looked}")
        return files, name
    # A path may have a colon, and so may a name: the file that is there decides.
    cuts = [at for at, character in enumerate(what) if character == ":" and 0 < at < len(what) - 1]
    for at in cuts:
        if Path(what[:at]).expanduser().is_file():
            return [Path(what[:at]).expanduser()], what[at + 1 :]
    clients = ", ".join(CLIENTS)
    if not cuts:
        raise UsageError(f"{what!r} names no entry", f"write it as CLIENT:NAME ({clients}) or FILE:NAME")
    path = what[: cuts[-1]]
    if "/" in path or "." in path:
        raise UsageError(f"there is no configuration {path}", f"write FILE:NAME, or CLIENT:NAME ({clients})")
    raise UsageError(f"there is no client {path!r}", f"mcptap knows {clients}, or name a file: FILE:NAME")


def _claude_desktop() -> Iterator[Path]:
    yield _applications() / "Claude" / "claude_desktop_config.json"


def _claude_code() -> Iterator[Path]:
    yield Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home()) / ".claude.json"
    yield from _upwards(".mcp.json")


def _cursor() -> Iterator[Path]:
    yield from _upwards(".cursor/mcp.json")
    yield Path.home() / ".cursor" / "mcp.json"


def _vscode() -> Iterator[Path]:
    user = _applications() / "Code" / "User"
    yield from _upwards(".vscode/mcp.json")
    yield user / "mcp.json"
    yield from _upwards(".vscode/settings.json")
    yield user / "settings.json"


def _gemini_cli() -> Iterator[Path]:
    yield from _upwards(".gemini/settings.json")
    yield Path.home() / ".gemini" / "settings.json"


def _goose() -> Iterator[Path]:
    if sys.platform == "win32":
        yield _applications() / "Block" / "goose" / "config" / "config.yaml"
    else:
        yield _xdg_config() / "goose" / "config.yaml"


CLIENTS: Final[dict[str, Callable[[], Iterator[Path]]]] = {
    "claude-desktop": _claude_desktop,
    "claude-code": _claude_code,
    "cursor": _cursor,
    "vscode": _vscode,
    "gemini-cli": _gemini_cli,
    "goose": _goose,
}
"""The clients that mcptap knows, and their files, those of a project before those of the user."""


def _applications() -> Path:
    """Where programs with windows keep their settings."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return _xdg_config()


def _xdg_config() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _upwards(name: str) -> Iterator[Path]:
    """A file of the project: in this folder, or in one above it and below the home folder."""
    for folder in _folders():
        yield folder / name


def _folders() -> Iterator[Path]:
    here, home = Path.cwd(), Path.home().resolve()
    for folder in (here, *here.parents):
        if folder == home and folder != here:
            return
        yield folder


def _projects() -> tuple[str, ...]:
    return tuple(map(str, _folders()))
