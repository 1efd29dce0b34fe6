"""`mcptap ui`: watch a cassette that is being written."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    import socket

    from mcptap.reporting.following import Follower
    from mcptap.reporting.live_page import LivePage


@click.command("ui")
@click.argument("cassette", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port.  [default: a free one]")
@click.option("--debug", is_flag=True, help="Show tracebacks and the libraries' logs.")
def command(*, cassette: Path, port: int, debug: bool) -> int:
    r"""Show CASSETTE in a browser, and every request that is added to it, as it comes.

    The page is for this machine alone, and for whoever has the address that is printed. It changes
    nothing. Ctrl-C ends it.

    \b
    mcptap ui rec.jsonl
    """
    import anyio  # noqa: PLC0415 - not for --help

    from mcptap import __version__  # noqa: PLC0415
    from mcptap.cli.serving import quiet_libraries  # noqa: PLC0415

    with quiet_libraries(debug=debug):
        from mcptap.reporting.feed import Feed  # noqa: PLC0415
        from mcptap.reporting.following import Follower  # noqa: PLC0415
        from mcptap.reporting.live_page import LivePage  # noqa: PLC0415
        from mcptap.tap.listening import address_of, listen_on  # noqa: PLC0415

    feed = Feed()
    follower = Follower(cassette, feed)
    header = follower.header
    title = header.upstream.name if header.upstream else "an unnamed server"
    about = f"{cassette.name}, recorded {header.recorded_at}, watched by mcptap {__version__}"
    page = LivePage(feed, title=title, about=about)
    taken = listen_on("127.0.0.1", port)
    click.echo(f"mcptap: look at it at {page.address(address_of(taken, ''))}", err=True)
    anyio.run(_serve, page, follower, taken)
    return 0


async def _serve(page: LivePage, follower: Follower, taken: socket.socket) -> None:
    import anyio  # noqa: PLC0415 - not for --help
    import uvicorn  # noqa: PLC0415

    from mcptap.tap.listening import Server  # noqa: PLC0415

    # The shortest time that it has: a page that is open would hold it up for ever.
    drain = cast("Any", 0.3)
    server = Server(
        uvicorn.Config(
            page, lifespan="off", log_level="critical", access_log=False, timeout_graceful_shutdown=drain
        )
    )
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:

            async def on_signal() -> None:
                async for _ in signals:
                    page.close()
                    server.should_exit = True

            tasks.start_soon(on_signal)
            tasks.start_soon(follower.follow)
            await server.serve(sockets=[taken])
            tasks.cancel_scope.cancel()
