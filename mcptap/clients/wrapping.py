"""An entry that goes through mcptap, made of one that doesn't; and back.

Both directions are worked out of the entries alone, so that what the user has changed in between is seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final, TypeAlias

from mcptap.clients.entries import COMMANDS, ENVS, HEADERS, KINDS, URLS, Entry, entry_of, first
from mcptap.errors import UsageError

_PREFIX: Final = "MCPTAP_HEADER_"
_URL_VARIABLE: Final = "MCPTAP_URL"
_VERBS: Final = frozenset({"record", "proxy", "replay"})
_MISSING: Final = object()

Json: TypeAlias = dict[str, Any]


def is_tapped(entry: Any) -> bool:
    """Whether an entry starts mcptap already."""
    if not isinstance(entry, dict):
        return False
    argv = [str(entry.get(first(entry, COMMANDS) or "")), *map(str, entry.get("args") or [])]
    if argv[1:3] == ["-m", "mcptap"]:
        argv = argv[2:]
    return PurePath(argv[0]).stem == "mcptap" and len(argv) > 1 and argv[1] in _VERBS


def wrapped(entry: Json, name: str, mcptap: Sequence[str], folder: str, where: str) -> Json:
    """The entry that has mcptap record the server of ``entry``.

    What a header or a query says may be a secret: it goes into the environment, never onto the command
    line. The reference to it is ``env:NAME``, since ``${NAME}`` is for the client itself to resolve.

    Args:
        entry: The entry as it is.
        name: What it is called.
        mcptap: The command that starts mcptap.
        folder: Where cassettes go.
        where: Where the entry is, for people.

    Raises:
        UsageError: The entry is none, or nothing that mcptap can stand in for.
    """
    if not isinstance(entry, dict) or not first(entry, (*COMMANDS, *URLS)):
        raise UsageError(f"{where} starts no server that mcptap could stand before", "wrap another one")
    understood = entry_of(entry, where)
    if understood.headers_from:
        raise UsageError(f"{where} takes headers from the environment", "write them as headers")
    command, *arguments = mcptap
    arguments += ["record", "--name", name, "-o", folder]
    env: dict[str, str] = {}
    if understood.command:
        arguments += ["--", *understood.command]
    else:
        arguments += _url_arguments(understood, env)
    for_goose = first(entry, ("cmd", "uri")) is not None
    env_key = first(entry, ENVS) or ("envs" if for_goose else "env")
    new: Json = {"cmd" if for_goose else "command": command, "args": arguments}
    result: Json = {}
    for key, value in entry.items():
        if key in {*COMMANDS, *URLS}:
            result |= new
        elif key in KINDS and not understood.command:
            result[key] = "stdio"
        elif key not in {"args", *HEADERS}:
            result[key] = value
    return result | ({env_key: {**(entry.get(env_key) or {}), **env}} if env else {})


def unwrapped(current: Json, original: Json, name: str, where: str) -> Json:
    """The entry without mcptap: the original, with what the user has changed in it since.

    Args:
        current: The entry as it is.
        original: The entry as it was.
        name: What it is called.
        where: Where the entry is, for people.

    Raises:
        UsageError: The user has changed what mcptap had written.
    """
    argv = [str(current[first(current, COMMANDS) or ""]), *map(str, current["args"])]
    hint = "undo that, or put the entry back by hand"
    try:
        mcptap, folder = argv[: argv.index("record")], argv[argv.index("-o") + 1]
    except (ValueError, IndexError):
        raise UsageError(f"{where} is not as mcptap wrote it", hint) from None
    expected = wrapped(original, name, mcptap, folder, where)
    result = dict(original)
    for key in [*expected, *current]:
        now = current.get(key, _MISSING)
        if now == expected.get(key, _MISSING):
            continue
        if expected.get(key, _MISSING) != original.get(key, _MISSING):
            raise UsageError(f"{where}: {key!r} was changed since mcptap wrote it", hint)
        if now is _MISSING:
            result.pop(key, None)
        else:
            result[key] = now
    return result


def _url_arguments(entry: Entry, env: dict[str, str]) -> list[str]:
    """What tells mcptap of a server with a URL; what may be a secret goes into ``env``."""
    arguments = ["--url", _hidden_url(entry.url, env)]
    if entry.transport in {"http", "sse"}:
        arguments += ["--url-transport", entry.transport]
    for header, value in entry.headers.items():
        arguments += ["--header", f"{header}: env:{_hide(header, value, env)}"]
    return arguments


def _hidden_url(url: str, env: dict[str, str]) -> str:
    """The URL, or a reference to it where it may hold a secret or is still to be resolved."""
    if not set("?@$") & set(url):
        return url
    env[_URL_VARIABLE] = url
    return f"env:{_URL_VARIABLE}"


def _hide(header: str, value: str, env: dict[str, str]) -> str:
    base = variable = _PREFIX + re.sub(r"[^A-Za-z0-9]", "_", header).upper()
    number = 2
    while variable in env:
        variable, number = f"{base}_{number}", number + 1
    env[variable] = value
    return variable
