"""One entry of a configuration, in whatever spelling its client has for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from mcptap.errors import UsageError

COMMANDS: Final = ("command", "cmd")
URLS: Final = ("url", "httpUrl", "serverUrl", "uri")
ENVS: Final = ("env", "envs")
KINDS: Final = ("type", "transport")
HEADERS: Final = ("headers", "http_headers")

# What clients call the transports; "local" and "remote" say no more than the command or the URL does.
_TRANSPORTS: Final = {
    "stdio": "stdio",
    "local": "stdio",
    "http": "http",
    "streamable-http": "http",
    "streamablehttp": "http",
    "remote": "",
    "sse": "sse",
    "ws": "ws",
    "websocket": "ws",
}
_WEBSOCKET: Final = ("ws://", "wss://")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SCHEMES: Final = ("http://", "https://", *_WEBSOCKET)
# Codex's ways to say what isn't to be written down.
_FROM_ENVIRONMENT: Final = ("bearer_token_env_var", "env_http_headers")
_SIGNING_IN: Final = frozenset(
    {"auth", "authentication", "authProviderType", "oauth", "oauth_resource", "scopes", "headersHelper"}
)
# What tells the client how to treat the server, and is nothing to connect by.
_OF_THE_CLIENT: Final = frozenset(
    {
        "description", "icon", "name", "display_name", "version", "gallery", "timeout", "keep_alive", "dev",
        "disabled", "enabled", "required", "bundled", "trust", "alwaysAllow", "autoApprove", "disabledTools",
        "includeTools", "excludeTools", "enabled_tools", "disabled_tools", "available_tools", "env_keys",
        "env_vars", "startup_timeout_sec", "startup_timeout_ms", "tool_timeout_sec",
        "tools", "alwaysLoad", "sandboxEnabled", "sandbox", "extension", "metadata",
    }
)  # fmt: skip
_ALL: Final = frozenset(
    {*COMMANDS, *URLS, *ENVS, *KINDS, *HEADERS, *_FROM_ENVIRONMENT, *_OF_THE_CLIENT, "args", "cwd", "envFile"}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One server as a configuration describes it, references to variables not yet resolved.

    Attributes:
        command: The program and its arguments; empty for a server with a URL.
        env: Added to the environment of the program.
        env_file: A file with more for it, or nothing.
        cwd: Its working directory, or nothing.
        url: Where an HTTP server is; empty for a program.
        transport: ``stdio``, ``http``, ``sse`` or ``ws``; empty where the URL is to tell.
        headers: Sent with every request to the URL.
        headers_from: The same, from the environment: name of the header to variable and prefix.
        disabled: Whether clients leave it out.
    """

    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: str = ""
    cwd: str = ""
    url: str = ""
    transport: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    headers_from: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    disabled: bool = False


def first(entry: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    """The first of some keys that an entry has."""
    return next((key for key in keys if key in entry), None)


def entry_of(entry: Any, where: str) -> Entry:
    """Understand one entry.

    Args:
        entry: As it stands in the configuration.
        where: Where that is, for people.

    Raises:
        UsageError: It is none.
    """
    if not isinstance(entry, Mapping):
        raise UsageError(f"{where} is no table", 'write it as {"command": …} or {"url": …}')
    _check_keys(entry, where)
    command, url = first(entry, COMMANDS), first(entry, URLS)
    if command and url:
        raise UsageError(f"{where} has both {command!r} and {url!r}", "take one of them out")
    if not command and not url:
        raise UsageError(f"{where} has neither a command nor a url", "add one of them")
    transport = _transport(entry, where)
    if (transport == "stdio") != bool(command) and transport:
        raise UsageError(
            f"{where} says {entry[first(entry, KINDS) or '']!r}, which doesn't go with {command or url!r}",
            "change one of them",
        )
    disabled = entry.get("disabled") is True or entry.get("enabled") is False
    if command:
        return Entry(
            command=(_string(entry, command, where), *_strings(entry, "args", where)),
            env=_table(entry, first(entry, ENVS), where),
            env_file=_string(entry, "envFile", where),
            cwd=_string(entry, "cwd", where),
            transport="stdio",
            disabled=disabled,
        )
    assert url is not None  # noqa: S101 - one of the two is there
    address = _string(entry, url, where)
    if not address.startswith("$"):
        check_scheme(address, transport, where)
    headers_from = {
        name: (variable, "") for name, variable in _table(entry, "env_http_headers", where).items()
    }
    if token := _string(entry, "bearer_token_env_var", where):
        headers_from["Authorization"] = (token, "Bearer ")
    headers = {name: value for key in HEADERS for name, value in _table(entry, key, where).items()}
    kind = transport or ("http" if url == "httpUrl" else "")
    return Entry(url=address, transport=kind, headers=headers, headers_from=headers_from, disabled=disabled)


def check_scheme(url: str, transport: str, where: str) -> None:
    """Refuse what is no URL of a server, or not one of the transport that it is said to speak.

    Raises:
        UsageError: It is none.
    """
    if url and not url.startswith(_SCHEMES):
        raise UsageError(f"{where}: {url!r} is no URL", "write it as http://HOST:PORT/PATH")
    if url and transport and (transport == "ws") != url.startswith(_WEBSOCKET):
        hint = "a WebSocket begins with ws:// or wss://, and nothing else does"
        raise UsageError(f"{where}: the transport {transport} doesn't go with {url!r}", hint)


def check_headers(headers: Mapping[str, str], where: str = "") -> None:
    """Refuse what can't go into an HTTP header (RFC 9110, section 5); no message shows a value.

    Args:
        headers: The headers.
        where: Where they stand, for people.

    Raises:
        UsageError: A name is none, or a value has more than printable ASCII in it.
    """
    place = f"{where}: " if where else ""
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise UsageError(f"{place}{name!r} is no name of a header", "it has letters, digits and hyphens")
        if not value.isascii() or not value.replace("\t", " ").isprintable():
            problem = f"{place}the header {name} has a character in its value that HTTP can't carry"
            raise UsageError(problem, "it may have printable ASCII alone; encode the rest")


def _check_keys(entry: Mapping[str, Any], where: str) -> None:
    if signing := sorted(_SIGNING_IN & entry.keys()):
        hint = "put the server's token into headers instead"
        raise UsageError(f"{where}: mcptap can't sign in by itself, as {signing[0]!r} asks", hint)
    for key in entry:
        # FastMCP's own tables of tools change what a server says, which mcptap never does.
        if key not in _ALL or (key == "tools" and isinstance(entry[key], dict)):
            close = get_close_matches(str(key), _ALL, 1)
            hint = f"did you mean {close[0]!r}?" if close else "take it out, or correct its spelling"
            raise UsageError(f"{where} has an unknown key {key!r}", hint)


def _transport(entry: Mapping[str, Any], where: str) -> str:
    key = first(entry, KINDS)
    if key is None or entry[key] is None:
        return ""
    said = str(entry[key]).lower().replace("_", "-")
    if said not in _TRANSPORTS:
        hint = "mcptap knows stdio, http, sse and ws"
        raise UsageError(f"{where}: there is no {key} {entry[key]!r}", hint)
    return _TRANSPORTS[said]


def _string(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if value is None and key not in {*COMMANDS, *URLS}:
        return ""
    if not isinstance(value, str) or not value:
        raise UsageError(f"{where}: {key} must be a text", f'write it as "{key}": "…"')
    return value


def _strings(entry: Mapping[str, Any], key: str, where: str) -> list[str]:
    value = entry.get(key)
    if value is None:
        return []
    if not isinstance(value, (list, tuple)) or not all(_is_plain(item) for item in value):
        raise UsageError(f"{where}: {key} must be a list of texts", f'write it as "{key}": ["…", "…"]')
    return [_text(item) for item in value]


def _table(entry: Mapping[str, Any], key: str | None, where: str) -> dict[str, str]:
    value = entry.get(key) if key is not None else None
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(_is_plain(item) for item in value.values()):
        raise UsageError(f"{where}: {key} must be a table of texts", f'write it as "{key}": {{"NAME": "…"}}')
    return {str(name): _text(item) for name, item in value.items()}


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
