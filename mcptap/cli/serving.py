"""Running a tap until its client leaves or a signal comes, and the exit code that this deserves."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import click

if TYPE_CHECKING:
    from mcptap.cli.options import Front
    from mcptap.cli.viewing import View
    from mcptap.tap.app import Tap
    from mcptap.telemetry.telemetry import Telemetry

_FASTMCP_LOGS: Final = "FASTMCP_LOG_ENABLED"

# The hosts to listen on that a browser of this machine reaches, and as what.
_LOOPBACK: Final = {
    "127.0.0.1": "127.0.0.1",
    "localhost": "localhost",
    "::1": "[::1]",
    "0.0.0.0": "127.0.0.1",  # noqa: S104 - only looked up
    "::": "[::1]",
}


@contextlib.contextmanager
def quiet_libraries(*, debug: bool) -> Iterator[None]:
    """Keep the libraries from writing to stderr what mcptap says better, unless asked for.

    Import FastMCP inside the context: it reads then how to log, and no server inherits that.
    """
    if debug:
        logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)
    else:
        logging.disable(logging.CRITICAL)
    if debug or _FASTMCP_LOGS in os.environ:
        yield
        return
    os.environ[_FASTMCP_LOGS] = "false"
    try:
        yield
    finally:
        del os.environ[_FASTMCP_LOGS]


def make_view(front: Front, redaction: tuple[str, ...] | None = None) -> View:
    """Make the live page of a front; ``redaction`` are its rules, the built-in ones by default.

    Call it after `quiet_libraries`.

    Raises:
        UsageError: The front can't show a page.
    """
    if front.transport == "stdio":
        raise click.UsageError("--ui needs a front that a browser reaches: add --transport http")
    if front.host not in _LOOPBACK:
        raise click.UsageError(f"--ui is for this machine alone: --host {front.host} leaves it out")
    from mcptap.cli.viewing import View  # noqa: PLC0415 - imports FastMCP

    return View(redaction)


def run(tap: Tap, front: Front, *, fail_on_unused: bool = False, view: View | None = None) -> int:
    """Serve until it is over, say how it went, and give the exit code.

    Args:
        tap: What answers.
        front: Where it listens.
        fail_on_unused: Whether recorded requests that were not made are a finding.
        view: The live page, if there is to be one.
    """
    run_loop(partial(_serve, tap, front, view), [tap])
    return exit_code(tap, fail_on_unused=fail_on_unused)


def run_loop(main: Callable[[], Awaitable[None]], taps: Sequence[Tap]) -> None:
    """Run to its end what serves ``taps``: on uvloop, where it is there."""
    _open_standard_streams()
    try:
        import uvloop  # noqa: F401, PLC0415 - only to see whether it is there
    except ImportError:
        uses_uvloop = False
    else:
        uses_uvloop = True
    import anyio  # noqa: PLC0415 - not for --help

    for tap in taps:
        if tap.telemetry is not None and tap.telemetry.scrape is not None:
            from mcptap.telemetry.prometheus import serve_metrics  # noqa: PLC0415 - only if it is asked for

            serve_metrics(tap, tap.telemetry.scrape)
    try:
        anyio.run(main, backend_options={"use_uvloop": uses_uvloop})
    finally:
        _close_all([tap.telemetry for tap in taps if tap.telemetry is not None])


def _close_all(telemetries: Sequence[Telemetry]) -> None:
    """Send what is left of all of them at once: each may take its time for that."""
    if len(telemetries) == 1:
        telemetries[0].close()
    elif telemetries:
        with ThreadPoolExecutor(len(telemetries)) as pool:
            for telemetry in telemetries:
                pool.submit(telemetry.close)


def _open_standard_streams() -> None:
    """Open what the caller has closed of descriptors 0 to 2, or the next file to be opened becomes stdin."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free


def require_command(command: object) -> None:
    """Refuse early to serve many clients with a command that can't be started.

    Raises:
        UpstreamError: There is no such program.
    """
    from mcptap.tap.link.process import check_command  # noqa: PLC0415 - not for --help

    if isinstance(command, list):
        check_command(command)


async def _serve(tap: Tap, front: Front, view: View | None) -> None:
    import anyio  # noqa: PLC0415 - not for --help

    from mcptap.tap.http_front import serve_http  # noqa: PLC0415
    from mcptap.tap.listening import address_of, listen_on  # noqa: PLC0415

    # Before any task: an error of the user's must not come out as a group of errors.
    taken = None if front.transport == "stdio" else listen_on(front.host, front.port)
    stop = anyio.Event()
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:

            async def on_signal() -> None:
                async for _ in signals:
                    tap.end_recording()
                    if view is not None:
                        view.feed.close()
                    stop.set()
                    if front.transport == "stdio":
                        tasks.cancel_scope.cancel()

            tasks.start_soon(on_signal)
            if front.transport == "stdio" or taken is None:
                await tap.run_stdio_async()
            else:
                scheme: Literal["http", "ws"] = "ws" if front.transport == "ws" else "http"
                tap.report(f"serving {tap.name} at {address_of(taken, front.path, scheme)}")
                serving = partial(
                    serve_http, tap, taken, transport=front.transport, path=front.path, stop=stop
                )
                if view is None:
                    await serving()
                else:
                    page = view.page_of(tap)
                    port = taken.getsockname()[1]
                    tap.report(f"look at it at {page.address(f'http://{_LOOPBACK[front.host]}:{port}')}")
                    await serving(around=page.before)
            tasks.cancel_scope.cancel()


def exit_code(tap: Tap, *, fail_on_unused: bool = False) -> int:
    """Say how it went, and give the exit code that this deserves."""
    if tap.recorded_to is not None:
        kept = tap.recorded_to.exists()
        tap.report(
            f"recorded {tap.recorded} interactions to {tap.recorded_to}" if kept else "recorded nothing"
        )
    if tap.faulting is not None:
        requests = "1 request" if tap.faulting.struck == 1 else f"{tap.faulting.struck} requests"
        tap.report(f"{requests} went wrong on purpose")
    code = tap.failure.exit_code if tap.failure is not None else 0
    if tap.player is not None:
        summary = tap.player.summary()
        tap.report(summary.sentence())
        unused = fail_on_unused and summary.unused
        if unused:
            for entry in tap.player.unused():
                click.echo(f"  unused: interaction {entry.seq}, {entry.method}", err=True)
        code = code or int(bool(summary.missed or unused))
    return code
