"""References to environment variables in a configuration, as clients write them.

``${NAME}`` and ``${NAME:-default}`` are Claude Code's, ``${env:NAME}`` is VS Code's and Cursor's, as are
``${workspaceFolder}`` and ``${userHome}``; a bare ``$NAME`` is Gemini CLI's alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from mcptap.errors import UsageError

_REFERENCE: Final = re.compile(
    r"\$\{(?:(?P<kind>[a-z]+):)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*?)(?::-(?P<default>[^}]*))?\}"
    r"|\$(?P<bare>[A-Za-z_][A-Za-z0-9_]*)"
)
_OF_CLIENTS: Final = frozenset({"userHome", "workspaceFolder", "workspaceFolderBasename"})
_FOLDERS_OF_CLIENTS: Final = frozenset({".vscode", ".cursor", ".gemini"})


def expander(environ: Mapping[str, str], *, config: Path | None = None, where: str) -> Callable[[str], str]:
    """A function that puts values in the place of references.

    Args:
        environ: The environment.
        config: The configuration that the text stands in; it tells the workspace, and the client.
        where: Where that is, for people.

    The function raises `UsageError` for a variable that isn't set, and for what only a client can know.
    """
    folder = (config.parent if config is not None else Path()).absolute()
    takes_bare = folder.name == ".gemini"
    workspace = folder.parent if folder.name in _FOLDERS_OF_CLIENTS else folder
    known = {
        "userHome": str(Path.home()),
        "workspaceFolder": str(workspace),
        "workspaceFolderBasename": workspace.name,
    }

    def value(found: re.Match[str]) -> str:
        if found["bare"] and not takes_bare:
            return found[0]
        name, kind = found["bare"] or found["name"], found["kind"]
        if kind is not None and kind != "env":
            hint = "write ${env:NAME}, and set that variable"
            raise UsageError(f"{where}: only the client itself can fill in {found[0]}", hint)
        if kind is None and name in known:
            return known[name]
        if name in environ:
            return environ[name]
        if found["default"] is not None:
            return found["default"]
        hint = f"set it, or give it a default: ${{{name}:-…}}"
        raise UsageError(f"{where}: the environment variable {name} is not set", hint)

    return lambda text: _REFERENCE.sub(value, text)


def unset(text: str, environ: Mapping[str, str]) -> list[str]:
    """The variables in braces of a text that have no default and aren't in the environment."""
    wanted = [
        found["name"]
        for found in _REFERENCE.finditer(text)
        if found["name"] and found["kind"] in {None, "env"} and found["default"] is None
    ]
    return sorted(set(wanted) - set(environ) - _OF_CLIENTS)
