"""The command line: one module a command, each imported when it is called.

Nothing here imports fastmcp, mcp or opentelemetry before a command runs: that takes over a second.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from importlib import import_module
from keyword import iskeyword
from typing import Any, Final

import click

from mcptap import __version__
from mcptap.errors import McptapError

_COMMANDS: Final = {
    "demo": "See it work, in a minute.",
    "record": "Stand in for a server and record it.",
    "replay": "Serve a recording in place of the server.",
    "proxy": "Stand in for a server, over any transport.",
    "verify": "Find out whether a recording still holds.",
    "diff": "Show what differs between two cassettes.",
    "inspect": "Show what a cassette holds.",
    "report": "Make a page of a cassette, to look at and to send.",
    "ui": "Watch a cassette that is being written, in a browser.",
    "doctor": "Check a cassette, and save what can be saved.",
    "redact": "Take secrets, or times and ids, out of a cassette.",
    "merge": "Make one cassette of several.",
    "split": "Make a cassette of each client session.",
    "import": "Make a cassette of another tool's recording.",
    "wrap": "Have a client's server go through mcptap.",
    "unwrap": "Undo that.",
    "stats": "Show where the time goes.",
    "export": "Give recordings to other tools.",
}


class _Commands(click.Group):
    """Finds a command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = import_module(f"mcptap.cli.{module}").command
        if command.help:
            command.help = command.help.replace(r"\b", "\b")  # click's mark for lines that stay as they are
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mcptap", message="%(prog)s %(version)s")
def mcptap() -> None:
    """Record, replay and observe MCP servers that you can't touch.

    mcptap stands between an MCP client and its server. `mcptap demo` shows it.
    """


def main() -> Any:
    """Run the command line; every error of the user's is one line and an exit code."""
    # Else Python looks through all objects before it ends: half a second, with FastMCP imported.
    atexit.register(gc.freeze)
    try:
        result = mcptap.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(0)
    except click.ClickException as error:
        click.echo(f"mcptap: {_one_line(error)}", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - one line instead of a traceback, whatever it was
        if _debug():
            traceback.print_exc()
        cause = _cause(error)
        if isinstance(cause, McptapError):
            click.echo(f"mcptap: {cause}", err=True)
            sys.exit(cause.exit_code)
        what = f"{type(cause).__name__}: {cause}"
        click.echo(f"mcptap: this is a bug in mcptap: {what} (--debug shows where)", err=True)
        sys.exit(70)
    sys.exit(result if isinstance(result, int) else 0)


def _cause(error: BaseException) -> BaseException:
    """The error itself, where task groups have wrapped it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message} (see: {context.command_path} --help)" if context else message


def _debug() -> bool:
    return "--debug" in sys.argv or bool(os.environ.get("MCPTAP_DEBUG"))
