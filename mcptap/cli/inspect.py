"""`mcptap inspect`: show what a cassette holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import click

from mcptap import codec
from mcptap.cassette.format import interaction_line
from mcptap.cassette.reader import Cassette, open_cassette
from mcptap.cli.table import Column, Table, pretty, quiet_pipe, screen_width, set_up_screen
from mcptap.errors import CassetteError, UsageError
from mcptap.matching.excerpt import printable
from mcptap.model import Event, Gap, Interaction, Json, Message, Record, SessionStart
from mcptap.protocol import target_of

_SEQ: Final = Column("seq", numeric=True)
_SESSION: Final = Column("session", numeric=True)
_OTHERS: Final = (
    Column("at", numeric=True),
    Column("method", shrinks=True),
    Column("target", shrinks=True),
    Column("ms", numeric=True),
    Column("outcome", shrinks=True),
    Column("events", shrinks=True),
)
_COLOURS: Final = {"tool error": "yellow", "error": "red", "gap": "red", "unanswered": "yellow"}


@click.command("inspect", short_help="Show what a cassette holds.")
@click.argument("cassette", type=click.Path(path_type=Path))
@click.option("--seq", type=int, metavar="N", help="Show interaction N whole.")
@click.option(
    "--json", "as_json", is_flag=True, help="For programs: a JSON object a line, for each interaction."
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(*, cassette: Path, seq: int | None, as_json: bool) -> None:
    r"""List the interactions of CASSETTE, in the order in which they ended.

    \b
    mcptap inspect time.jsonl
    mcptap inspect time.jsonl --seq 7
    mcptap inspect time.jsonl --json | jq .method
    """
    set_up_screen()
    opened = open_cassette(cassette)
    with quiet_pipe():
        if seq is not None:
            lines = _whole(_find(opened, seq), as_json=as_json)
        elif as_json:
            lines = map(_json, opened.interactions())
        else:
            lines = _listed(opened)
        for line in lines:
            click.echo(line)
    _tell_torn(opened)


def _find(cassette: Cassette, seq: int) -> Interaction:
    first = last = None
    for interaction in cassette.interactions():
        if interaction.seq == seq:
            return interaction
        first = interaction.seq if first is None else min(first, interaction.seq)
        last = interaction.seq if last is None else max(last, interaction.seq)
    _tell_torn(cassette)
    has = "it has none" if first is None else f"its numbers go from {first} to {last}"
    raise UsageError(f"{cassette.path} has no interaction {seq}: {has}")


def _tell_torn(cassette: Cassette) -> None:
    if cassette.torn_bytes:
        note = f"the last line of {cassette.path} is torn: {cassette.torn_bytes} bytes are passed over"
        click.echo(f"mcptap: note: {note}", err=True)


def _json(interaction: Interaction) -> bytes:
    try:
        return codec.dumps(interaction_line(interaction))
    except TypeError as error:
        raise _unprintable(interaction, error) from None


def _unprintable(interaction: Interaction, error: TypeError) -> CassetteError:
    return CassetteError(f"interaction {interaction.seq} can't be shown: {error}")


def _listed(cassette: Cassette) -> Iterator[str]:
    """The list, from two readings: one to count and to measure, one to show."""
    counts: Counter[str] = Counter()
    sessions: set[int] = set()
    for record in cassette.records():
        counts[type(record).__name__] += 1
        if not isinstance(record, Gap):
            sessions.add(record.session)
    many = len(sessions) > 1
    table = Table((_SEQ, *([_SESSION] if many else []), *_OTHERS))
    for record in cassette.records():
        table.measure(_cells(record, many=many))
    table.fit(screen_width())
    yield from _summary(cassette, counts, len(sessions))
    yield table.heading()
    for record in cassette.records():
        cells = _cells(record, many=many)
        outcome = len(cells) - 2
        kind = cells[outcome].rstrip("-0123456789 ")
        yield table.line(cells, {outcome: _COLOURS[kind]} if kind in _COLOURS else None)


def _summary(cassette: Cassette, counts: Counter[str], sessions: int) -> Iterator[str]:
    header = cassette.header
    server = header.upstream
    who = f"{server.name} over {server.transport}" if server else "an unnamed server"
    yield click.style(printable(f"{who}, recorded {header.recorded_at} by {header.by}"), bold=True)
    parts = [_counted(counts["Interaction"], "interaction"), f"in {_counted(sessions, 'session')}"]
    said = f"{parts[0]} {parts[1]}"
    if counts["Message"]:
        said += f", {_counted(counts['Message'], 'message')} outside requests"
    if counts["Gap"]:
        said += f", {_counted(counts['Gap'], 'gap')}"
    yield said
    yield ""


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _cells(record: Record, *, many: bool) -> list[str]:
    at = f"{record.at:.3f}s"
    match record:
        case Interaction():
            seq = str(record.seq)
            target = target_of(record.method, record.params) or ""
            rest = [at, record.method, target, _milliseconds(record.ms), outcome_of(record), _kinds(record)]
        case Message():
            seq, rest = "", [at, record.method, "", _milliseconds(record.ms), f"from {record.source}", ""]
        case Gap():
            seq, rest = "", [at, record.why, "", "", "gap", f"{record.lost} lost"]
        case SessionStart():
            client = (record.client or {}).get("name")
            who = client if isinstance(client, str) else ""
            seq, rest = "", [at, f"({record.era}, {record.transport})", who, "", "session", ""]
    session = "" if isinstance(record, Gap) else str(record.session)
    return [seq, *([session] if many else []), *rest]


def _milliseconds(ms: float | None) -> str:
    return "" if ms is None else f"{ms:.1f}"


def outcome_of(interaction: Interaction) -> str:
    """How a request ended, in a word or two."""
    if interaction.outcome is not None:
        return interaction.outcome
    if interaction.error is not None:
        return f"error {interaction.error.get('code')}"
    result = interaction.result or {}
    if result.get("isError") is True:
        return "tool error"
    return "input_required" if result.get("resultType") == "input_required" else "ok"


def _kinds(interaction: Interaction) -> str:
    kinds = Counter(event.method.removeprefix("notifications/") for event in interaction.events)
    return ", ".join(f"{number} {kind}" for kind, number in kinds.items())


def _whole(interaction: Interaction, *, as_json: bool) -> Iterator[str | bytes]:
    if as_json:
        yield _json(interaction)
        return
    try:
        yield from _facts(interaction)
        yield from _object("params", interaction.params)
        if interaction.events:
            yield from chain(("", click.style("events", bold=True)), *map(_event, interaction.events))
        yield from _object("result", interaction.result)
        yield from _object("error", interaction.error)
    except TypeError as error:
        raise _unprintable(interaction, error) from None


def _facts(interaction: Interaction) -> Iterator[str]:
    target = target_of(interaction.method, interaction.params)
    yield click.style(printable(" ".join(filter(None, (interaction.method, target)))), bold=True)
    own = "" if interaction.proxy_ms is None else f", mcptap itself {interaction.proxy_ms:g} ms"
    took = "" if interaction.ms is None else f"{interaction.ms:g} ms{own}"
    facts = {
        "seq": str(interaction.seq),
        "session": str(interaction.session),
        "at": f"{interaction.at:g} s",
        "took": took,
        "outcome": outcome_of(interaction),
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
