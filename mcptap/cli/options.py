"""Options that more than one command has."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

import click

from mcptap.clients.entries import Entry
from mcptap.clients.variables import expander

_PATHS: Final = {"sse": "/sse", "ws": "/ws"}
_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Front:
    """The side that the client sees.

    Attributes:
        transport: ``stdio``, ``http``, ``sse`` or ``ws``.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        path: Where the endpoint is; by default ``/mcp``, ``/sse`` for legacy SSE and ``/ws`` for WebSocket.
    """

    transport: Literal["stdio", "http", "sse", "ws"]
    host: str
    port: int
    path: str


ignore_option: Final = click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="JSONPATH",
    help="Leave this out of params, results and errors.",
)
"""Adds ``--ignore``, for what compares interactions."""


def front_options(function: _Function) -> _Function:
    """Add ``--transport``, ``--host``, ``--port``, ``--path`` and ``--debug``."""
    for option in (
        click.option("--debug", is_flag=True, help="Show tracebacks and the libraries' logs."),
        click.option("--path", help="HTTP path of the endpoint.  [default: /mcp, /sse or /ws]"),
        click.option(
            "--port",
            type=click.IntRange(0, 65535),
            default=8000,
            show_default=True,
            help="Port to listen on (all but stdio); 0 takes a free one.",
        ),
        click.option(
            "--host", default="127.0.0.1", show_default=True, help="Address to listen on (all but stdio)."
        ),
        click.option(
            "--transport",
            type=click.Choice(["stdio", "http", "sse", "ws"]),
            default="stdio",
            show_default=True,
            help="What the client speaks: stdio, Streamable HTTP, legacy HTTP+SSE, or WebSocket.",
        ),
    ):
        function = option(function)
    return function


def bridge_option(function: _Function) -> _Function:
    """Add ``--bridge``."""
    option = click.option(
        "--bridge",
        type=click.Choice(["auto", "off"]),
        help="Let clients of one protocol era use a server of the other.  [default: auto, once a client "
        "doesn't fall back by itself; off for a recording]",
    )
    return option(function)


def ui_option(function: _Function) -> _Function:
    """Add ``--ui``."""
    return click.option(
        "--ui", is_flag=True, help="Show the requests as they happen, at /_mcptap (not stdio)."
    )(function)


def target_options(function: _Function) -> _Function:
    """Add the server: ``--url`` with its options, or a command after ``--``; and ``--name``.

    A URL and the value of a header may be ``env:NAME``, so that no secret stands on the command line.
    """
    for option in (
        click.argument("server", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND [ARG]...]"),
        click.option("--name", help="What to call the server.  [default: its own name]"),
        click.option(
            "-H",
            "--header",
            "headers",
            multiple=True,
            metavar="'NAME: VALUE'",
            help="Send it with --url; VALUE may be env:VARIABLE.",
        ),
        click.option(
            "--url-transport",
            type=click.Choice(["http", "sse"]),
            help="What the server at --url speaks.  [default: as its path tells]",
        ),
        click.option("--url", help="The server's URL, if it serves HTTP or WebSocket."),
    ):
        function = option(function)
    return function


def redaction_options(function: _Function) -> _Function:
    """Add ``--redact-rule`` and ``--no-redact``."""
    for option in (
        click.option("--no-redact", is_flag=True, help="Record secrets as they are."),
        click.option(
            "--redact-rule",
            "redact_rules",
            multiple=True,
            metavar="[NAME=]KIND:WHAT",
            help="A secret of your own: key:NAME, header:NAME, pattern:REGEX or path:JSONPATH.",
        ),
    ):
        function = option(function)
    return function


def make_redaction(rules: tuple[str, ...], *, no_redact: bool) -> tuple[str, ...]:
    """All the redaction rules that apply, by name.

    Raises:
        UsageError: There are own ones, and there are to be none.
    """
    if no_redact and rules:
        raise click.UsageError("both --redact-rule and --no-redact were given")
    from mcptap.redaction.rules import BUILT_IN  # noqa: PLC0415 - not for --help

    return () if no_redact else (*BUILT_IN, *rules)


def make_front(transport: Any, host: str, port: int, path: str | None) -> Front:
    """Put the front's options together."""
    path = path or _PATHS.get(transport, "/mcp")
    return Front(transport, host, port, path if path.startswith("/") else f"/{path}")


def make_target(
    url: str | None, server: tuple[str, ...], url_transport: str | None
) -> str | list[str] | Entry:
    """The one server that was named.

    Raises:
        UsageError: None was, or two were.
    """
    url = _resolved(url, "--url") if url else None
    if url and server:
        raise click.UsageError("both --url and a command were given: name one server")
    if not url and not server:
        raise click.UsageError("no server: put its command after --, or give its URL with --url")
    if url and not url.startswith(("http://", "https://", "ws://", "wss://")):
        raise click.UsageError(f"--url {url!r} is no URL: write it as http://HOST:PORT/PATH, or ws://…")
    if url_transport and not url:
        raise click.UsageError("--url-transport goes with --url")
    if url and url_transport:
        return Entry(url=url, transport=url_transport)
    return url or list(server)


def make_headers(headers: tuple[str, ...]) -> dict[str, str]:
    """Cut headers into name and value.

    Raises:
        UsageError: One of them has no colon.
    """
    made = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.UsageError(f"--header {header!r} is no header: write it as 'NAME: VALUE'")
        made[name.strip()] = _resolved(value.strip(), f"--header {name.strip()}")
    return made


def _resolved(value: str, where: str) -> str:
    """A value, from the environment where it says ``env:NAME``.

    What stands there may refer to further variables, which not every client resolves.

    Raises:
        UsageError: The variable isn't set.
    """
    kind, _, variable = value.partition(":")
    if kind != "env" or not variable.isidentifier():
        return value
    expand = expander(os.environ, where=where)
    return expand(expand(f"${{env:{variable}}}"))
