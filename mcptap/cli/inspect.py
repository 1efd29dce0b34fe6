"""`mcptap inspect`: show what a cassette holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import click

from mcptap.cassette.format import interaction_line
from mcptap.cassette.reader import Cassette, open_cassette
from mcptap.cli.table import (
    Column,
    Table,
    pretty,
    quiet_pipe,
    screen_width,
    set_up_screen,
    shortened,
)
from mcptap.codec import dumps
from mcptap.errors import UsageError
from mcptap.matching.excerpt import printable
from mcptap.model import Event, Gap, Interaction, Json, Message, Record, SessionStart
from mcptap.protocol import outcome_of, target_of

_COLUMNS: Final = (
    Column("seq", numeric=True),
    Column("session", numeric=True),
    Column("at", numeric=True),
    Column("method", shrinks=True),
    Column("target", shrinks=True),
    Column("ms", numeric=True),
    Column("outcome"),
    Column("events", shrinks=True),
)
_SESSION: Final = 1
_OUTCOME: Final = 6
_LONGEST_OUTCOME: Final = 20
_COUNTED: Final = ("interaction", "session", "message", "gap")
_COLOURS: Final = {"tool error": "yellow", "error": "red", "gap": "red", "unanswered": "yellow"}


@click.command("inspect")
@click.argument("cassette", type=click.Path(path_type=Path))
@click.option("--seq", type=int, metavar="N", help="Show interaction N whole.")
@click.option("--secrets", is_flag=True, help="List what still looks like a secret; exit 1 if there is any.")
@click.option("--json", "as_json", is_flag=True, help="For programs: an interaction a line.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(*, cassette: Path, seq: int | None, secrets: bool, as_json: bool) -> int:
    r"""List the interactions of CASSETTE, in the order in which they ended.

    \b
    mcptap inspect time.jsonl
    mcptap inspect time.jsonl --seq 7
    mcptap inspect time.jsonl --json | jq .method
    mcptap inspect time.jsonl --secrets
    """
    set_up_screen()
    opened = open_cassette(cassette)
    if secrets:
        return _secrets(opened, as_json=as_json)
    with quiet_pipe():
        if seq is not None:
            lines = _whole(_find(opened, seq), as_json=as_json)
        elif as_json:
            lines = map(dumps, map(interaction_line, opened.interactions()))
        else:
            lines = _listed(opened)
        for line in lines:
            click.echo(line)
    _tell_torn(opened)
    return 0


def _secrets(cassette: Cassette, *, as_json: bool) -> int:
    from mcptap.cli.secrets import secrets_in, shown  # noqa: PLC0415 - few ask for them

    found = 0
    with quiet_pipe():
        for line, finding in secrets_in(cassette):
            found += 1
            click.echo(shown(line, finding, as_json=as_json))
    _tell_torn(cassette)
    return int(found > 0)


def _find(cassette: Cassette, seq: int) -> Interaction:
    for interaction in cassette.interactions():
        if interaction.seq == seq:
            return interaction
    _tell_torn(cassette)
    raise UsageError(f"{cassette.path} has no interaction {seq}", "leave --seq out to see which it has")


def _tell_torn(cassette: Cassette) -> None:
    if cassette.torn_bytes:
        note = f"the last line of {cassette.path} is torn: {cassette.torn_bytes} bytes are passed over"
        click.echo(f"mcptap: note: {note}", err=True)


def _listed(cassette: Cassette) -> Iterator[str]:
    """The list, from two readings: one to count and to measure, one to show."""
    table, counts, sessions = Table(_COLUMNS), Counter[str](), set[int]()
    for record in cassette.records():
        table.measure(_cells(record))
        counts[type(record).__name__.lower()] += 1
        if not isinstance(record, Gap):
            sessions.add(record.session)
    counts["session"] = len(sessions)
    if len(sessions) <= 1:
        table.hide(_SESSION)
    table.fit(screen_width())
    yield from _summary(cassette, counts)
    yield table.heading()
    for record in cassette.records():
        cells = _cells(record)
        colour = _COLOURS.get(cells[_OUTCOME].rstrip("-0123456789 "))
        yield table.line(cells, {_OUTCOME: colour} if colour else None)


def _summary(cassette: Cassette, counts: Counter[str]) -> Iterator[str]:
    header = cassette.header
    server = header.upstream
    who = f"{server.name} over {server.transport}" if server else "an unnamed server"
    yield click.style(printable(f"{who}, recorded {header.recorded_at} by {header.by}"), bold=True)
    numbers = {noun: counts[noun] for noun in _COUNTED}
    yield ", ".join(f"{number} {noun}{'s' * (number != 1)}" for noun, number in numbers.items() if number)
    yield ""


def _cells(record: Record) -> list[str]:
    at = f"{record.at:.3f}s"
    match record:
        case Interaction(seq=seq, session=session, method=method):
            target = target_of(method, record.params) or ""
            outcome = shortened(outcome_of(record), _LONGEST_OUTCOME)
            return [str(seq), str(session), at, method, target, _ms(record.ms), outcome, _kinds(record)]
        case Message(session=session, source=source):
            return ["", str(session), at, record.method, "", _ms(record.ms), f"from {source}", ""]
        case Gap():
            return ["", "", at, record.why, "", "", "gap", f"{record.lost} lost"]
        case SessionStart(session=session, client=client):
            who = str((client or {}).get("name", ""))
            how = f"{record.era}, {record.transport}"
            return ["", str(session), at, "(session opened)", who, "", "", how]


def _ms(ms: float | None, form: str = ".1f") -> str:
    return "" if ms is None else format(ms, form)


def _kinds(interaction: Interaction) -> str:
    kinds = Counter(event.method.removeprefix("notifications/") for event in interaction.events)
    return ", ".join(f"{number} {kind}" for kind, number in kinds.items())


def _whole(interaction: Interaction, *, as_json: bool) -> Iterator[str | bytes]:
    if as_json:
        yield dumps(interaction_line(interaction))
        return
    yield from _facts(interaction)
    yield from _object("params", interaction.params)
    if interaction.events:
        yield from chain(("", click.style("events", bold=True)), *map(_event, interaction.events))
    yield from _object("result", interaction.result)
    yield from _object("error", interaction.error)


def _facts(interaction: Interaction) -> Iterator[str]:
    target = target_of(interaction.method, interaction.params)
    yield click.style(printable(" ".join(filter(None, (interaction.method, target)))), bold=True)
    facts = {
        "seq": str(interaction.seq),
        "session": str(interaction.session),
        "at": f"{interaction.at:g} s",
        "ms": _ms(interaction.ms, "g"),
        "proxy_ms": _ms(interaction.proxy_ms, "g"),
        "outcome": shortened(outcome_of(interaction), _LONGEST_OUTCOME),
        "trace": interaction.trace_id,
        "span": interaction.span_id,
    }
    for name, fact in facts.items():
        if fact:
            yield printable(f"  {name:<8} {fact}")


def _object(title: str, value: Json | None, indent: str = "") -> Iterator[str]:
    if value is not None:
        if not indent:
            yield ""
        yield indent + click.style(title, bold=True)
        yield from pretty(value, indent + "  ")


def _event(event: Event) -> Iterator[str]:
    answered = "" if event.ms is None else f", answered after {event.ms:g} ms"
    yield printable(f"  +{event.at_ms:g} ms  from {event.source}: {event.method}{answered}")
    if event.params is not None:
        yield from pretty(event.params, "    ")
    yield from _object("result", event.result, "    ")
    yield from _object("error", event.error, "    ")
