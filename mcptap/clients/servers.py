"""The servers that a configuration names, checked and ready to be connected to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mcptap.clients.document import Document, Pointer, read
from mcptap.clients.entries import Entry, check_headers, check_scheme, entry_of
from mcptap.clients.node import Node
from mcptap.clients.variables import expander
from mcptap.errors import UsageError

_TABLES: Final = {
    "JSON": '{"mcpServers": {"NAME": {"command": …}}}',
    "TOML": "[mcp_servers.NAME]",
    "YAML": "extensions: {NAME: {cmd: …}}",
}
_PARTS_OF_GOOSE: Final = ("builtin", "platform", "frontend", "inline_python")


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a configuration.

    Attributes:
        name: What the configuration calls it.
        entry: What it says of it.
        where: Where it says so, for people.
        config: The file.
    """

    name: str
    entry: Entry
    where: str
    config: Path

    def resolved(self, environ: Mapping[str, str]) -> Entry:
        """What it says, with the values of variables: see `resolved`."""
        return resolved(self.entry, environ, config=self.config, where=self.where)


def resolved(entry: Entry, environ: Mapping[str, str], *, config: Path | None = None, where: str) -> Entry:
    """An entry with the values of variables in the place of their names, ready to be connected to.

    Args:
        entry: The entry as it is written.
        environ: The environment.
        config: The configuration that it stands in; it tells the workspace, and the client.
        where: Where that is, for people.

    Raises:
        UsageError: A variable isn't set, or a file with variables can't be read.
    """
    expand = expander(environ, config=config, where=where)
    env = {name: expand(value) for name, value in entry.env.items()}
    if entry.env_file:
        env = {**_env_file(Path(expand(entry.env_file)), where), **env}
    headers = {name: expand(value) for name, value in entry.headers.items()}
    for name, (variable, prefix) in entry.headers_from.items():
        headers[name] = prefix + expand(f"${{env:{variable}}}")
    url = expand(entry.url)
    check_scheme(url, entry.transport, where)
    check_headers(headers, where)
    return replace(
        entry,
        command=tuple(expand(word) for word in entry.command),
        env=env,
        env_file="",
        cwd=expand(entry.cwd),
        url=url,
        headers=headers,
        headers_from={},
    )


def read_servers(path: Path) -> list[Server]:
    """Read all servers of a configuration: `mcpServers`, VS Code's ``servers``, Codex's TOML, Goose's YAML.

    Raises:
        UsageError: The configuration can't be read, or something in it is wrong.
    """
    document = read(path)
    table = next(document.tables(), None)
    if table is None or not table[1].members:
        raise UsageError(f"{path} has no servers", f"it needs a table like {_TABLES[document.format]}")
    _refuse_second_table(document, table[0])
    for name, node in table[1].repeated():
        raise UsageError(f"{document.where(node)}: the server {name!r} is named twice", "rename one of them")
    return [
        _server(document, name, node) for name, node in table[1].members if not _is_builtin(document, node)
    ]


def choose(servers: list[Server], name: str) -> Server:
    """The server of a name.

    Raises:
        UsageError: There is none.
    """
    for server in servers:
        if server.name == name:
            return server
    names = ", ".join(server.name for server in servers)
    raise UsageError(f"{servers[0].config} has no server {name!r}", f"it has {names}")


def _refuse_second_table(document: Document, pointer: Pointer) -> None:
    for depth, name in enumerate(pointer):
        parent = document.root.at(pointer[:depth])
        for again, node in parent.repeated() if parent is not None else ():
            if again == name:
                raise UsageError(f"{document.where(node)}: {name!r} is there twice", "make one table of them")


def _server(document: Document, name: str, node: Node) -> Server:
    where = f"{document.where(node)}: the server {name!r}"
    for key, again in node.repeated():
        raise UsageError(f"{document.where(again)}: the server {name!r} has {key!r} twice", "take one out")
    return Server(name, entry_of(node.value, where), where, document.path)


def _is_builtin(document: Document, node: Node) -> bool:
    """Whether an extension of Goose is a part of Goose itself."""
    kind = node.member("type")
    return document.format == "YAML" and kind is not None and kind.value in _PARTS_OF_GOOSE


def _env_file(path: Path, where: str) -> dict[str, str]:
    from dotenv import dotenv_values  # noqa: PLC0415 - few configurations have one

    if not path.is_file():
        raise UsageError(f"{where}: there is no envFile {path}", "create it, or take envFile out")
    return {name: value or "" for name, value in dotenv_values(path, interpolate=False).items()}
