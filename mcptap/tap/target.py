"""From what a user names to a server that can be connected to."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import httpx2
from anyio.lowlevel import checkpoint
from fastmcp import FastMCP
from fastmcp.client.transports import (
    ClientTransport,
    SSETransport,
    StdioTransport,
    StreamableHttpTransport,
    infer_transport,
)
from fastmcp.mcp_config import infer_transport_type_from_url

from mcptap.errors import UsageError
from mcptap.model import Target
from mcptap.tap.backends.live import Upstream
from mcptap.tap.link import Opener
from mcptap.tap.link.client import check_reachable, http_client
from mcptap.tap.link.http import http_opener
from mcptap.tap.link.process import check_command, process_opener
from mcptap.tap.link.sse import sse_opener

TargetLike: TypeAlias = str | Path | Sequence[str] | Mapping[str, Any] | ClientTransport | FastMCP[Any]
"""What can be put behind a tap: a URL, a command (a string is split as a shell would, but no shell is
used), a path to a server script, one entry of ``mcpServers``, a FastMCP client transport or server."""

_RUNNERS: Final = frozenset({"python", "python3", "node", "npx", "uvx", "uv", "bunx", "bun", "deno", "env"})
_SHELLS: Final = frozenset({"sh", "bash", "zsh", "dash"})
_ENTRY_KEYS: Final = frozenset(
    {"command", "args", "env", "cwd", "url", "headers", "type", "transport", "description", "disabled"}
)


def upstream_of(
    target: TargetLike, *, name: str | None = None, headers: Mapping[str, str] | None = None
) -> Upstream:
    """Find out what ``target`` is.

    Args:
        target: What the user named.
        name: What to call it; by default its own name.
        headers: Sent with every HTTP request.

    Raises:
        UsageError: It is nothing that can be connected to.
    """
    if isinstance(target, str) and target.startswith(("http://", "https://")):
        return _http(target, infer_transport_type_from_url(target), headers, name)
    if isinstance(target, Path) or (isinstance(target, str) and Path(target).suffix in {".py", ".js"}):
        return _script(Path(target), name)
    if isinstance(target, str):
        return _process(shlex.split(target), name)
    if isinstance(target, Mapping):
        return _entry(target, name, headers)
    if isinstance(target, Sequence):
        return _process(list(target), name)
    if isinstance(target, FastMCP):
        return _transport(infer_transport(target), "memory", name or target.name)
    if isinstance(target, ClientTransport):
        return _known_transport(target, name, headers)
    raise UsageError(f"a {type(target).__name__} is nothing that mcptap can connect to")


def name_of_command(argv: Sequence[str]) -> str:
    """What a command's server is called: the module, package or script rather than what runs it."""
    if PurePath(argv[0]).name in _SHELLS:
        return PurePath(argv[0]).name
    words = [word for word in argv if not word.startswith("-") and word not in {"run", "tool"}]
    while len(words) > 1 and PurePath(words[0]).name.rstrip("0123456789.") in _RUNNERS:
        words.pop(0)
    word = PurePath(words[0] if words else argv[0]).name
    package = word.partition("@")[0] or word
    return package.removesuffix(".py").removesuffix(".js").removesuffix(".mjs")


def _process(
    argv: list[str], name: str | None, *, env: Mapping[str, str] | None = None, cwd: str | Path | None = None
) -> Upstream:
    if not argv or not argv[0]:
        raise UsageError("the command is empty", "put the server's command after --")
    env = {**os.environ, **env} if env else None
    opener = process_opener(argv, env=env, cwd=cwd)

    async def check() -> None:
        check_command(argv, env)

    return _simple(Target(name or name_of_command(argv), "stdio", tuple(argv)), opener, check)


def _script(path: Path, name: str | None) -> Upstream:
    if not path.is_file():
        raise UsageError(f"there is no server script {path}")
    runner = {".py": sys.executable, ".js": "node"}.get(path.suffix)
    if runner is None:
        raise UsageError(f"{path} is no .py or .js script", "give a command as a list instead")
    return _process([runner, str(path)], name)


def _entry(entry: Mapping[str, Any], name: str | None, headers: Mapping[str, str] | None) -> Upstream:
    """One entry of ``mcpServers``, or a whole configuration that has just one."""
    if isinstance(servers := entry.get("mcpServers"), Mapping):
        if len(servers) != 1:
            raise UsageError(f"the configuration has {len(servers)} servers", "give one of its entries")
        ((own_name, entry),) = servers.items()
        return _entry(entry, name or own_name, headers)
    if ("command" in entry) == ("url" in entry):
        raise UsageError("an mcpServers entry needs either a command or a url")
    if unknown := entry.keys() - _ENTRY_KEYS:
        raise UsageError(f"an mcpServers entry has no {', '.join(sorted(unknown))}")
    if "command" in entry:
        argv = [str(entry["command"]), *map(str, entry.get("args") or [])]
        return _process(argv, name, env=entry.get("env"), cwd=entry.get("cwd"))
    kind = str(entry.get("transport") or entry.get("type") or infer_transport_type_from_url(entry["url"]))
    return _http(entry["url"], kind, {**(entry.get("headers") or {}), **(headers or {})}, name)


def _known_transport(
    transport: ClientTransport, name: str | None, headers: Mapping[str, str] | None
) -> Upstream:
    """A FastMCP transport; those whose wire mcptap speaks itself are only asked where to go."""
    if isinstance(transport, StdioTransport):
        argv = [transport.command, *transport.args]
        return _process(argv, name, env=transport.env, cwd=transport.cwd)
    if isinstance(transport, (StreamableHttpTransport, SSETransport)):
        kind = "sse" if isinstance(transport, SSETransport) else "http"
        own = {**transport.headers, **(headers or {})}
        if (factory := transport.httpx_client_factory) is not None:
            return _http(transport.url, kind, own, name, lambda: factory(headers=own, auth=transport.auth))
        return _http(
            transport.url,
            kind,
            own,
            name,
            lambda: http_client(transport.url, own, transport.auth, transport.verify),
        )
    return _transport(transport, "memory", name or repr(transport))


def _http(
    url: str,
    kind: str,
    headers: Mapping[str, str] | None,
    name: str | None,
    make_client: Callable[[], httpx2.AsyncClient] | None = None,
) -> Upstream:
    parts = urlsplit(url)
    if not parts.hostname:
        raise UsageError(f"{url!r} is no URL", "write it as http://HOST:PORT/PATH")
    # Neither a password nor a token in a query belongs into a recording.
    netloc = parts.netloc.rpartition("@")[2]
    shown = urlunsplit((parts.scheme, netloc, parts.path, "", ""))
    make_opener = sse_opener if kind == "sse" else http_opener

    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Opener]:
        async with make_client() if make_client else http_client(url, headers, None) as client:
            yield make_opener(client, url)

    target = Target(name or netloc.replace(":", "-"), "sse" if kind == "sse" else "http", (shown,))

    async def check() -> None:
        await check_reachable(url)

    return Upstream(target, connect, check)


def _transport(transport: ClientTransport, kind: str, name: str) -> Upstream:
    from mcptap.tap.link.streams import transport_opener  # noqa: PLC0415 - only for what needs the SDK's streams

    return _simple(Target(name, kind, (repr(transport),)), transport_opener(transport), checkpoint)


def _simple(target: Target, opener: Opener, check: Callable[[], Awaitable[None]]) -> Upstream:
    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Opener]:
        yield opener

    return Upstream(target, connect, check)
