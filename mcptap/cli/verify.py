"""`mcptap verify`: make the recorded requests again, at the real server, and tell what differs."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcptap.cli.junit import write_junit
from mcptap.cli.options import ignore_option, make_headers, make_target, target_options
from mcptap.cli.sarif import write_sarif
from mcptap.cli.serving import quiet_libraries, run_loop
from mcptap.cli.table import quiet_pipe, set_up_screen
from mcptap.cli.verdicts import counts_of, differences, latency, notes, skipped, summary
from mcptap.codec import dumps
from mcptap.errors import UsageError
from mcptap.matching.excerpt import printable

if TYPE_CHECKING:
    from mcptap.cassette.renewing import Renewal
    from mcptap.comparing.finding import Verdict
    from mcptap.tap.verifying import Renewed


@click.command("verify")
@click.argument("cassette", type=click.Path(path_type=Path))
@target_options
@ignore_option
@click.option(
    "--seq",
    "seqs",
    type=int,
    multiple=True,
    metavar="N",
    help="Judge interaction N alone; what was recorded before it is still made.",
)
@click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="VARIABLE",
    help="Send the secret in this variable where the cassette has its placeholder.",
)
@click.option("--update", is_flag=True, help="Write the live answers of what differs into CASSETTE.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a verdict a line, then the numbers.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write a JUnit report, too.")
@click.option("--sarif", type=click.Path(path_type=Path), metavar="FILE", help="Write SARIF 2.1.0, too.")
@click.option("--debug", is_flag=True, help="Show tracebacks and the libraries' logs.")
def command(
    *,
    cassette: Path,
    url: str | None,
    url_transport: str | None,
    headers: tuple[str, ...],
    name: str | None,
    server: tuple[str, ...],
    ignored: tuple[str, ...],
    seqs: tuple[int, ...],
    secrets: tuple[str, ...],
    update: bool,
    as_json: bool,
    junit: Path | None,
    sarif: Path | None,
    debug: bool,
) -> int:
    r"""Make the requests of CASSETTE again at the real server, and compare its answers.

    What the server asks its client is answered as it was in the recording. Exit code 1 says that something
    differs, 4 that the server can't be reached.

    \b
    mcptap verify time.jsonl -- mcp-server-time
    mcptap verify rec.jsonl --url http://127.0.0.1:9000/mcp --ignore '$..timestamp'
    mcptap verify rec.jsonl --update -- my-server
    """
    set_up_screen()
    target = make_target(url, server, url_transport)
    http_headers = make_headers(headers)
    from mcptap.cassette.index import CassetteIndex  # noqa: PLC0415 - only when it runs
    from mcptap.cassette.reader import open_cassette  # noqa: PLC0415
    from mcptap.cassette.renewing import Renewal  # noqa: PLC0415
    from mcptap.comparing.values import Ignored  # noqa: PLC0415
    from mcptap.matching.canonical import key_of  # noqa: PLC0415
    from mcptap.redaction.header import redactor_of  # noqa: PLC0415
    from mcptap.redaction.revealing import Revealer  # noqa: PLC0415
    from mcptap.verifier import Verifier  # noqa: PLC0415

    left_out = Ignored(ignored)
    opened = open_cassette(cassette)
    revealer = Revealer(map(_secret, secrets), opened.header.salt or "")
    index = CassetteIndex.of([opened], key_of)
    verifier = Verifier(index, left_out, redactor_of(opened.header), revealer)
    wanted = _wanted(seqs, {entry.seq for entry in index.entries}, verifier.heads, cassette)
    with quiet_libraries(debug=debug):
        from mcptap.tap.verifying import verify_live  # noqa: PLC0415 - imports FastMCP
    with closing(Renewal(opened)) as renewal, quiet_pipe():
        heard = _Heard(wanted, renewal if update else None, as_json=as_json)
        live = partial(verify_live, target, index, verifier, heard.verdict, headers=http_headers)
        run_loop(partial(_ended_by_signal, partial(live, until=max(wanted, default=None))), [])
        if renewal.seqs:
            renewal.write()
        for path, write in ((junit, write_junit), (sarif, write_sarif)):
            if path is not None:
                write(path, opened, heard.verdicts)
        heard.show(f"{cassette} against {name or 'the live server'}")
    if opened.torn_bytes:
        note = f"the torn end of {cassette} was ignored ({opened.torn_bytes} bytes)"
        click.echo(f"mcptap: note: {note}", err=True)
    if renewal.seqs:
        number = len(renewal.seqs)
        click.echo(f"mcptap: updated {number} interaction{'s' * (number > 1)} of {cassette}", err=True)
    return int(any(verdict.findings and verdict.seq not in heard.accepted for verdict in heard.verdicts))


class _Heard:
    """Takes verdicts as they come, and shows them at last.

    Args:
        wanted: The interactions to judge; all where there are none.
        renewal: Takes what is accepted, if something is to be.
        as_json: Whether a program reads it.
    """

    def __init__(self, wanted: set[int], renewal: Renewal | None, *, as_json: bool) -> None:
        self._wanted = wanted
        self._renewal = renewal
        self._as_json = as_json
        self.verdicts: list[Verdict] = []
        self.accepted: set[int] = set()

    def verdict(self, verdict: Verdict, renewed: Renewed) -> None:
        """Take one; ``renewed`` gives what is to stand in the cassette if it is accepted."""
        if self._wanted and verdict.seq not in self._wanted:
            return
        self.verdicts.append(verdict)
        if self._renewal is not None and (verdict.findings or self._wanted):
            for interaction in renewed():
                self._renewal.add(interaction)
                self.accepted.add(verdict.seq)

    def show(self, title: str) -> None:
        """Show what was found, and the numbers."""
        counts = counts_of(self.verdicts)
        if self._as_json:
            for verdict in self.verdicts:
                click.echo(dumps(verdict.as_json()))
            click.echo(dumps({"summary": counts}))
            return
        click.echo(f"{printable(title)}: {summary(counts)}")
        for lines in (differences(self.verdicts, ("recorded", "live")), latency(self.verdicts)):
            for line in lines:
                click.echo(line)
        rest = [*skipped(self.verdicts), *notes(self.verdicts)]
        for line in ["", *rest] if rest else []:
            click.echo(line)


def _wanted(seqs: Iterable[int], known: set[int], heads: Mapping[int, int], cassette: Path) -> set[int]:
    """The interactions whose verdicts are wanted: a further page of a listing is judged with its first.

    Raises:
        UsageError: The cassette has not all of them.
    """
    for seq in seqs:
        if seq not in known:
            raise UsageError(f"{cassette} has no interaction {seq}", "mcptap inspect shows which it has")
    return {heads.get(seq, seq) for seq in seqs}


def _secret(variable: str) -> str:
    secret = os.environ.get(variable)
    if not secret:
        raise UsageError(f"--secret {variable}: there is no such variable", f"set {variable} to the secret")
    return secret


async def _ended_by_signal(work: Callable[[], Awaitable[None]]) -> None:
    """Do some work, and leave it in order where this process is told to end."""
    import anyio  # noqa: PLC0415 - not for --help

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:
            ended_by = 0

            async def on_signal() -> None:
                nonlocal ended_by
                async for number in signals:
                    ended_by = number
                    tasks.cancel_scope.cancel()

            tasks.start_soon(on_signal)
            await work()
            tasks.cancel_scope.cancel()
    if ended_by:
        raise click.exceptions.Exit(128 + ended_by)
