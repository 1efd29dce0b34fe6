"""`mcptap demo`: see it work, with real servers, without network or account."""

from __future__ import annotations

import asyncio
import shlex
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mcptap.cli.serving import quiet_libraries
from mcptap.cli.table import Column, Table, can_show, screen_width, set_up_screen
from mcptap.errors import UsageError
from mcptap.matching.columns import render
from mcptap.matching.excerpt import one_line
from mcptap.model import Json

if TYPE_CHECKING:
    from mcptap.demo.comparison import Row
    from mcptap.demo.script import Script, Step
    from mcptap.demo.session import Answer

_COLUMNS: Final = (
    Column("asked", shrinks=True),
    Column("live", shrinks=True),
    Column("from the cassette", shrinks=True),
    Column("live ms", numeric=True),
    Column("replay ms", numeric=True),
    Column("same", numeric=True),
)
_SAME: Final = 5
_WIDEST: Final = 120
_EXACT_MS: Final = 10


@click.command("demo")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the cassettes in this folder.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks and the libraries' logs.")
def command(*, keep: Path | None, debug: bool) -> int:
    """Record two real servers, stop them, and get the same answers from the recordings.

    It needs no network. The exit code is 1 if any answer differs.
    """
    set_up_screen()
    if find_spec("mcp_server_time") is None:
        raise UsageError("the demo needs the demo extra: pip install 'mcptap[demo]'")
    click.secho("mcptap demo: two real MCP servers, recorded, stopped, and played back\n", bold=True)
    with (
        quiet_libraries(debug=debug),
        tempfile.TemporaryDirectory(prefix="mcptap-demo-", ignore_cleanup_errors=True) as scratch,
    ):
        rows = _play(Path(scratch) if keep is None else keep.resolve(), Path(scratch))
    for script, compared in rows.items():
        click.echo("\n".join(_shown(script, compared)))
    click.echo("\n".join(_closing([row for compared in rows.values() for row in compared], keep)))
    return int(not all(row.same for compared in rows.values() for row in compared))


def _play(folder: Path, scratch: Path) -> Mapping[Script, Sequence[Row]]:
    from mcptap.demo.script import SCRIPTS, cassette_of  # noqa: PLC0415 - only when it runs

    for script in SCRIPTS:
        if (cassette := cassette_of(script, folder)).exists():
            raise UsageError(f"{cassette} exists already", "give --keep a new folder")
    began = time.monotonic()

    def tell(word: str, sentence: str) -> None:
        elapsed = f"{time.monotonic() - began:4.1f} s"
        click.echo(f"  {elapsed}  {click.style(f'{word:<9}', fg='cyan')}  {sentence}")

    names = " and ".join(script.name for script in SCRIPTS)
    tell("starting", f"{names}, each behind `mcptap record`")
    from mcptap.demo import stage  # noqa: PLC0415 - imports FastMCP
    from mcptap.demo.comparison import compare  # noqa: PLC0415 - imports FastMCP

    live = asyncio.run(stage.record(folder, scratch, tell))
    replayed = asyncio.run(stage.replay(folder, scratch, tell))
    tell("done", "and compared")
    return {script: compare(script, live[script.name], replayed[script.name]) for script in SCRIPTS}


def _shown(script: Script, rows: Sequence[Row]) -> Iterator[str]:
    """The table of one server, and below it every field that differs."""
    yes, no = ("✓", "✗") if can_show("✓✗") else ("yes", "NO")
    table = Table(_COLUMNS)
    all_cells = [
        (
            _asked(row.step),
            _answered(row.step, row.live),
            _answered(row.step, row.replayed),
            _milliseconds(row.live.ms),
            _milliseconds(row.replayed.ms),
            yes if row.same else no,
        )
        for row in rows
    ]
    for cells in all_cells:
        table.measure(cells)
    table.fit(min(screen_width() or _WIDEST, _WIDEST))
    yield ""
    yield click.style(script.name, fg="cyan", bold=True)
    yield table.heading()
    yield click.style(table.width * ("─" if can_show("─") else "-"), dim=True)
    for row, cells in zip(rows, all_cells, strict=True):
        yield from table.lines(cells, {_SAME: "green" if row.same else "red"})
    for row in rows:
        if not row.same:
            yield ""
            yield click.style(f"{row.step.tool or row.step.method}: the answers differ", fg="red")
            yield from render(row.differences) or ["only in the order of members or the spelling of numbers"]


def _asked(step: Step) -> str:
    arguments = ", ".join(map(str, step.arguments.values()))
    return f"{step.tool or step.method}\n {arguments}".rstrip()


def _answered(step: Step, answer: Answer) -> str:
    return "\n".join([*map(_event, answer.events), _outcome(step, answer.outcome)])


def _event(event: Json) -> str:
    params = event.get("params") or {}
    match event.get("method"):
        case "notifications/progress":
            return f"{params.get('progress'):g} of {params.get('total'):g}: {params.get('message')}"
        case "elicitation/create":
            return f"asks: {params.get('message')}"
        case None:
            return f"user: {event.get('reply')}"
        case method:
            return str(method)


def _outcome(step: Step, outcome: Json) -> str:
    if error := outcome.get("error"):
        return f"error {error.get('code')}: {error.get('message')}"
    result = outcome["result"]
    try:
        told = f"tool error: {result['content'][0]['text']}" if result.get("isError") else step.told(result)
    except (LookupError, TypeError):
        told = one_line(result)
    return told


def _milliseconds(ms: float | None) -> str:
    if ms is None:
        return ""
    return f"{ms:.1f}" if ms < _EXACT_MS else f"{ms:.0f}"


def _closing(rows: Sequence[Row], keep: Path | None) -> Iterator[str]:
    same = sum(row.same for row in rows)
    live, replayed = (
        sum(answer.ms or 0 for answer in answers)
        for answers in ([row.live for row in rows], [row.replayed for row in rows])
    )
    yield ""
    if same == len(rows):
        yield click.style(f"All {same} answers are the same, in every event and every field.", fg="green")
    else:
        yield click.style(f"{len(rows) - same} of {len(rows)} answers differ.", fg="red")
    yield f"Together they took {live:.0f} ms live, and {replayed:.0f} ms from the cassettes."
    yield ""
    look = (
        "mcptap demo --keep demo"
        if keep is None
        else f"mcptap inspect {shlex.quote(str(keep / 'cafe.jsonl'))}"
    )
    suggestions = {
        look: "look into what was recorded" if keep else "keep what was recorded",
        "mcptap record -o my.jsonl -- COMMAND": "record a server of yours",
        "mcptap replay my.jsonl": "serve the recording in its place",
    }
    for suggestion, why in suggestions.items():
        yield f"  {suggestion:<36}  {why}"
