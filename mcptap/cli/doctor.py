"""`mcptap doctor`: say what is wrong with a cassette, and save what can be saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from mcptap.cassette.examination import Examination, Finding, examine
from mcptap.cassette.naming import cassettes_in
from mcptap.cassette.salvage import salvage
from mcptap.cli.table import quiet_pipe, set_up_screen
from mcptap.codec import dumps
from mcptap.matching.excerpt import printable


@click.command("doctor")
@click.argument("cassettes", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--salvage", "do_salvage", is_flag=True, help="Save what can be read; keep NAME.damaged.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a finding a line.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(*, cassettes: tuple[Path, ...], do_salvage: bool, as_json: bool) -> int:
    r"""Check CASSETTES, or all those of a folder, against the format.

    It finds lines that are torn, damaged, out of order or against the schema, and says where.
    Exit code 1 says that something is wrong. With --salvage it is 0 once what can be read is saved.

    \b
    mcptap doctor time.jsonl
    mcptap doctor recordings/
    mcptap doctor --salvage time.jsonl
    """
    set_up_screen()
    sick = False
    with quiet_pipe():
        for path in _all(cassettes):
            examination = examine(path)
            lines = _for_programs(examination) if as_json else _for_people(examination)
            for line in lines:
                click.echo(line)
            if examination.problems and do_salvage:
                click.echo(f"mcptap: {_salvaged(path)}", err=True)
            elif examination.problems:
                sick = True
    return 1 if sick else 0


def _all(named: Iterable[Path]) -> Iterator[Path]:
    for path in named:
        yield from cassettes_in(path) if path.is_dir() else [path]


def _for_programs(examination: Examination) -> Iterator[str | bytes]:
    for finding in examination.findings:
        line = {
            "cassette": str(examination.path),
            "line": finding.line,
            "kind": finding.kind,
            "problem": finding.is_problem,
            "text": finding.text,
        }
        yield dumps({name: value for name, value in line.items() if value is not None})


def _for_people(examination: Examination) -> Iterator[str]:
    for finding in examination.findings:
        yield _line(examination.path, finding)
    number = len(examination.problems)
    problems = f"{number} problem{'s' * (number != 1)}" if number else "no problems"
    yield printable(
        f"{examination.path}: {examination.interactions} interactions, {examination.sessions} sessions, "
    ) + click.style(problems, fg="red" if number else "green")


def _line(path: Path, finding: Finding) -> str:
    where = f"{path}: line {finding.line}" if finding.line else str(path)
    kind = click.style(finding.kind, fg="red" if finding.is_problem else "yellow")
    return f"{printable(where)}: {kind}: {printable(finding.text)}"


def _salvaged(path: Path) -> str:
    done = salvage(path)
    lost = f"{done.lost} lost" if done.lost else "none lost"
    renumbered = f", {done.renumbered} renumbered" if done.renumbered else ""
    return f"{path}: saved {done.kept} lines, {lost}{renumbered}; the damaged one is {done.original}"
