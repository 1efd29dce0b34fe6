"""The servers of a client's configuration behind one mcptap: all of them on one port, or one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mcptap.cassette.naming import is_folder
from mcptap.cli.options import Front
from mcptap.cli.serving import exit_code, quiet_libraries, run, run_loop
from mcptap.cli.telemetry import TelemetryOptions
from mcptap.errors import UsageError

if TYPE_CHECKING:
    from mcptap.clients.servers import Server
    from mcptap.tap.app import Tap

_Function = TypeVar("_Function", bound=Callable[..., Any])
_NOT_WITH_CONFIG = ("url", "url_transport", "headers", "server")
_NOT_WITH_MANY = ("name", "path")


def config_options(function: _Function) -> _Function:
    """Add ``--config`` and ``--server``."""
    for option in (
        click.option("--server", "picked", metavar="NAME", help="Serve only this server of --config."),
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Serve every server of a client's configuration on one port, at /NAME/mcp, /NAME/sse and "
            "/NAME/ws.",
        ),
    ):
        function = option(function)
    return function


def run_config(
    config: Path | None,
    picked: str | None,
    front: Front,
    options: Mapping[str, Any],
    telemetry: TelemetryOptions,
    *,
    debug: bool,
) -> int:
    """Serve what a configuration names until it is over, and give the exit code.

    Args:
        config: The configuration.
        picked: The one server to serve; ``None`` for all that aren't disabled.
        front: Where to.
        options: What `mcptap.create_tap` is told for each of them.
        telemetry: What is asked for; each server is a service of its own name.
        debug: Whether the libraries may log.

    Raises:
        UsageError: Something is wrong in the configuration, or doesn't go with it.
    """
    from mcptap.clients.servers import choose, read_servers  # noqa: PLC0415 - not for --help

    if config is None:
        raise click.UsageError("--server picks a server of a configuration: name that with --config FILE")
    _refuse_others(picked)
    servers = read_servers(config)
    if picked is not None:
        servers = [choose(servers, picked)]
    else:
        servers = _served(servers)
        if (cassette := options.get("cassette")) is not None and not is_folder(cassette):
            hint = "name a folder with -o: each server gets a cassette of its own in it"
            raise UsageError(f"{cassette} is one cassette, but there are many servers", hint)
    targets = {server.name: server.resolved(os.environ) for server in servers}
    shown = front if picked is not None else replace(front, transport="http", path="/mcp")
    with quiet_libraries(debug=debug):
        observed = {name: telemetry.set_up(shown, service=name) for name in targets}
        from mcptap.tap.app import report_to_stderr  # noqa: PLC0415 - imports FastMCP
        from mcptap.tap.creating import create_tap  # noqa: PLC0415 - imports FastMCP

    if picked is not None:
        name = click.get_current_context().params["name"] or picked
        tap = create_tap(targets[picked], name=name, telemetry=observed[picked], **options)
        return run(tap, front)
    taps = {
        name: create_tap(
            target,
            name=name,
            report=partial(_report, report_to_stderr, name),
            telemetry=observed[name],
            **options,
        )
        for name, target in targets.items()
    }
    run_loop(partial(_serve, taps, front, report_to_stderr), list(taps.values()))
    return max(exit_code(tap) for tap in taps.values())


def _served(servers: list[Server]) -> list[Server]:
    """Those that aren't disabled.

    Raises:
        UsageError: All are, or one has a name that no path can have.
    """
    served = [server for server in servers if not server.entry.disabled]
    if not served:
        raise UsageError(f"all servers in {servers[0].config} are disabled", "name one with --server")
    for server in served:
        if server.name in {"", ".", ".."}:
            raise UsageError(f"{server.where} can't have a path of that name", "rename it")
    return served


def _refuse_others(picked: str | None) -> None:
    """Refuse the options that don't go with a configuration."""
    context = click.get_current_context()
    given = {name for name, value in context.params.items() if value and _was_given(name)}
    for name in _NOT_WITH_CONFIG:
        if name in given:
            raise click.UsageError("--config names the servers: give neither --url, --header nor a command")
    if picked is not None:
        return
    for name in _NOT_WITH_MANY:
        if name in given:
            raise click.UsageError(f"--{name} is for one server: pick it with --server NAME")
    if "transport" in given and context.params["transport"] != "http":
        raise click.UsageError(
            f"--transport {context.params['transport']} is for one server: pick it with --server NAME"
        )


def _was_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def _report(report: Callable[[str], None], name: str, line: str) -> None:
    report(f"{name}: {line}")


async def _serve(taps: Mapping[str, Tap], front: Front, report: Callable[[str], None]) -> None:
    import anyio  # noqa: PLC0415 - not for --help

    from mcptap.tap.listening import address_of, listen_on  # noqa: PLC0415
    from mcptap.tap.many import path_of, serve_many  # noqa: PLC0415

    taken = listen_on(front.host, front.port)
    stop = anyio.Event()

    def announce(name: str) -> None:
        where, socket = (address_of(taken, path_of(name), scheme) for scheme in ("http", "ws"))
        report(f"serving {name} at {where}/mcp, legacy SSE at {where}/sse, WebSocket at {socket}/ws")

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:

            async def on_signal() -> None:
                async for _ in signals:
                    stop.set()

            tasks.start_soon(on_signal)
            await serve_many(taps, taken, announce=announce, stop=stop)
            tasks.cancel_scope.cancel()
