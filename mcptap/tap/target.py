"""From what a user names to a server that can be connected to."""

from __future__ import annotations

import contextlib
import os
import shlex
import ssl
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

from mcptap.clients.entries import Entry, check_headers, entry_of
from mcptap.clients.servers import resolved
from mcptap.errors import UsageError
from mcptap.model import Target
from mcptap.tap.backends.live import Upstream
from mcptap.tap.link import Opener
from mcptap.tap.link.client import check_reachable, http_client
from mcptap.tap.link.http import http_opener
from mcptap.tap.link.process import check_command, process_opener
from mcptap.tap.link.sse import sse_opener

TargetLike: TypeAlias = (
    str | Path | Sequence[str] | Mapping[str, Any] | Entry | ClientTransport | FastMCP[Any]
)
"""What can be put behind a tap: a URL, a command (a string is split as a shell would, but no shell is
used), a path to a server script, one entry of ``mcpServers`` (an `Entry` is one whose variables are
resolved already), a FastMCP client transport or server."""

_RUNNERS: Final = frozenset({"python", "python3", "node", "npx", "uvx", "uv", "bunx", "bun", "deno", "env"})
_SHELLS: Final = frozenset({"sh", "bash", "zsh", "dash"})
_WEBSOCKET: Final = ("ws://", "wss://")


def upstream_of(
    target: TargetLike, *, name: str | None = None, headers: Mapping[str, str] | None = None
) -> Upstream:
    """Find out what ``target`` is.

    Args:
        target: What the user named.
        name: What to call it; by default its own name.
        headers: Sent with every HTTP request, and with the opening handshake of a WebSocket.

    Raises:
        UsageError: It is nothing that can be connected to.
    """
    if isinstance(target, str) and target.startswith(("http://", "https://", *_WEBSOCKET)):
        return _url(target, None, headers, name)
    if isinstance(target, Path) or (isinstance(target, str) and Path(target).suffix in {".py", ".js"}):
        return _script(Path(target), name)
    if isinstance(target, str):
        return _process(shlex.split(target), name)
    if isinstance(target, Entry):
        return _resolved(target, name, headers)
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
    where = "the mcpServers entry" if name is None else f"the server {name!r}"
    return _resolved(resolved(entry_of(entry, where), os.environ, where=where), name, headers)


def _resolved(entry: Entry, name: str | None, headers: Mapping[str, str] | None) -> Upstream:
    if entry.command:
        return _process(list(entry.command), name, env=entry.env, cwd=entry.cwd or None)
    return _url(entry.url, entry.transport, {**entry.headers, **(headers or {})}, name)


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


def _url(url: str, kind: object, headers: Mapping[str, str] | None, name: str | None) -> Upstream:
    """A URL, whose scheme or own form tells the transport where ``kind`` doesn't."""
    if url.startswith(_WEBSOCKET):
        return _websocket(url, headers, name)
    return _http(url, str(kind or infer_transport_type_from_url(url)), headers, name)


def _websocket(url: str, headers: Mapping[str, str] | None, name: str | None) -> Upstream:
    from mcptap.tap.link.websocket_client import websocket_opener  # noqa: PLC0415 - only for a WebSocket

    host, shown = _for_people(url)
    check_headers(headers or {})

    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Opener]:
        tls = ssl.create_default_context() if url.startswith("wss") else None
        yield websocket_opener(url, shown, headers, tls)

    # No need to check early what the connection itself will tell, which is made as early.
    return Upstream(
        Target(name or host, "ws", (shown,)), connect, checkpoint, {"url": url, **(headers or {})}
    )


def _for_people(url: str) -> tuple[str, str]:
    """The name of a URL's host, and the URL without a password and a token in its query: what is recorded.

    Raises:
        UsageError: It has no host, or a port that is none.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname:
        raise UsageError(f"{url!r} is no URL", "write it as http://HOST:PORT/PATH")
    netloc = parts.netloc.rpartition("@")[2]
    return netloc.replace(":", "-"), urlunsplit((parts.scheme, netloc, parts.path, "", ""))


def _http(
    url: str,
    kind: str,
    headers: Mapping[str, str] | None,
    name: str | None,
    make_client: Callable[[], httpx2.AsyncClient] | None = None,
) -> Upstream:
    host, shown = _for_people(url)
    check_headers(headers or {})
    make_opener = sse_opener if kind == "sse" else http_opener

    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Opener]:
        async with make_client() if make_client else http_client(url, headers, None) as client:
            yield make_opener(client, url)

    target = Target(name or host, "sse" if kind == "sse" else "http", (shown,))

    async def check() -> None:
        await check_reachable(url)

    return Upstream(target, connect, check, {"url": url, **(headers or {})})


def _transport(transport: ClientTransport, kind: str, name: str) -> Upstream:
    from mcptap.tap.link.streams import transport_opener  # noqa: PLC0415 - only for what needs the SDK's streams

    return _simple(Target(name, kind, (repr(transport),)), transport_opener(transport), checkpoint)


def _simple(target: Target, opener: Opener, check: Callable[[], Awaitable[None]]) -> Upstream:
    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Opener]:
        yield opener

    return Upstream(target, connect, check)
