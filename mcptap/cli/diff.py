"""`mcptap diff`: show what differs between two cassettes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcptap.cli.options import ignore_option
from mcptap.cli.table import quiet_pipe, set_up_screen
from mcptap.cli.verdicts import differences
from mcptap.codec import dumps
from mcptap.matching.excerpt import printable

if TYPE_CHECKING:
    from mcptap.pairing import Pair

_CHANGES = ("same", "changed", "added", "removed")
_COLOURS = {"added": "green", "removed": "red"}
_MARKS = {"added": "+", "removed": "-"}
_SIDES = ("first", "second")


@click.command("diff")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@ignore_option
@click.option(
    "--json", "as_json", is_flag=True, help="For programs: what differs, a line each, then the numbers."
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(*, first: Path, second: Path, ignored: tuple[str, ...], as_json: bool) -> int:
    r"""Show which requests only FIRST or only SECOND has, and where their params and answers differ.

    Sessions are paired in their order, and in them the requests that ask for the same. Exit code 1 says that
    something differs.

    \b
    mcptap diff old.jsonl new.jsonl
    mcptap diff old.jsonl new.jsonl --ignore '$..timestamp'
    """
    set_up_screen()
    from mcptap.cassette.reader import open_cassette  # noqa: PLC0415 - only when it runs
    from mcptap.comparing.values import Ignored  # noqa: PLC0415
    from mcptap.pairing import Pairing  # noqa: PLC0415

    left_out = Ignored(ignored)
    pairs = Pairing(open_cassette(first), open_cassette(second), left_out).pairs()
    counts = Counter[str]()
    found: list[Pair] = []
    with quiet_pipe():
        for pair in pairs:
            counts[pair.change] += 1
            if pair.change == "same":
                continue
            if as_json:
                click.echo(dumps(_as_json(pair)))
            else:
                found.append(pair)
        if as_json:
            click.echo(dumps({"summary": {change: counts[change] for change in _CHANGES}}))
        else:
            names = printable(f"{first} and {second}")
            click.echo(f"{names}: " + ", ".join(f"{counts[change]} {_word(change)}" for change in _CHANGES))
            for line in _for_people(found, (first.name, second.name)):
                click.echo(line)
    return int(counts.total() > counts["same"])


def _word(change: str) -> str:
    return "the same" if change == "same" else change


def _for_people(pairs: Iterable[Pair], sides: tuple[str, str]) -> Iterator[str]:
    """What only one of them has, and then what differs in what both have."""
    changed = []
    empty = [""]
    for pair in pairs:
        if pair.change in _MARKS:
            yield from empty
            empty = []
            text = f"{_MARKS[pair.change]} {pair.verdict.about} (interaction {pair.verdict.seq})"
            yield click.style(printable(text), fg=_COLOURS[pair.change])
        else:
            changed.append(pair.verdict)
    yield from differences(changed, sides)


def _as_json(pair: Pair) -> dict[str, object]:
    verdict = pair.verdict
    seqs = {"added": (None, verdict.seq)}.get(pair.change, (verdict.seq, pair.other_seq))
    said = {
        "change": pair.change,
        **dict(zip(_SIDES, seqs, strict=True)),
        "method": verdict.method,
        "target": verdict.target,
        "findings": [finding.as_json(_SIDES) for finding in verdict.findings] or None,
    }
    return {name: value for name, value in said.items() if value is not None}
