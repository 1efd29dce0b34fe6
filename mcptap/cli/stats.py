"""`mcptap stats`: where the time goes, by server, method and tool."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import click

from mcptap.cli.table import quiet_pipe, set_up_screen
from mcptap.codec import dumps
from mcptap.errors import UsageError
from mcptap.matching.excerpt import printable

if TYPE_CHECKING:
    import duckdb

    from mcptap.analysis import Recordings
    from mcptap.analysis.comparison import Comparison
    from mcptap.analysis.finding import Found
    from mcptap.analysis.salvage import Damage
    from mcptap.analysis.statistics import Group
    from mcptap.analysis.threshold import Judgement, Threshold

_BAR_AFTER: Final = 1.0
_SPANS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.command("stats")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[CASSETTE|DIR]...")
@click.option("--by", metavar="COLUMN,...", help="What to group by.  [default: server,method,tool]")
@click.option("--since", metavar="WHEN", help="A time (UTC), or how long ago: 30m, 2h, 7d.")
@click.option("--where", metavar="SQL", help="Only interactions of which this condition is true.")
@click.option(
    "--compare", nargs=2, type=click.Path(path_type=Path), metavar="OLD NEW", help="Before and after."
)
@click.option("--fail-if", multiple=True, metavar="CONDITION", help="Exit 1 past it: 'p99 > 1.2x'.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def command(
    *,
    paths: tuple[Path, ...],
    by: str | None,
    since: str | None,
    where: str | None,
    compare: tuple[Path, Path] | None,
    fail_if: tuple[str, ...],
    as_json: bool,
) -> int:
    r"""Show which tool is slow, how slow, since when, and whether the proxy or the server is to blame.

    Times are milliseconds: those of the server (p50 to max), and mcptap's own (proxy).

    \b
    mcptap stats recordings/
    mcptap stats rec.jsonl --by tool,hour --where "method = 'tools/call'"
    mcptap stats --compare old.jsonl new.jsonl --fail-if 'p99 > 1.2x'

    The columns are described in docs/analysis.md.
    """
    if bool(paths) == bool(compare):
        raise UsageError("name recordings, or two of them with --compare", "see mcptap stats --help")
    from mcptap.analysis.statistics import COMPARED_KEYS, DEFAULT_KEYS  # noqa: PLC0415 - not for --help

    default = COMPARED_KEYS if compare else DEFAULT_KEYS
    keys = tuple(filter(None, (part.strip() for part in by.split(",")))) if by is not None else default
    thresholds = _thresholds(fail_if)
    if not compare and (relative := [each for each in thresholds if each.relative]):
        raise UsageError(
            f"{relative[0].text!r} needs an OLD to compare with", "name it with --compare OLD NEW"
        )
    set_up_screen()
    with quiet_pipe():
        reading = _Reading(keys, since, where)
        if compare:
            return _compare(reading, *compare, thresholds, as_json=as_json)
        return _show(reading, paths, thresholds, as_json=as_json)


def _thresholds(texts: Sequence[str]) -> list[Threshold]:
    if not texts:
        return []
    from mcptap.analysis.threshold import parse_threshold  # noqa: PLC0415 - only where it is asked for

    return [parse_threshold(text) for text in texts]


class _Reading:
    """How recordings are read: with the columns that are needed, and with those interactions only."""

    def __init__(self, keys: Sequence[str], since: str | None, where: str | None) -> None:
        from mcptap.analysis.columns import columns_in  # noqa: PLC0415
        from mcptap.analysis.statistics import columns_for  # noqa: PLC0415

        self.keys = keys
        self._since = (
            f"time >= TIMESTAMP '{_moment(since):%Y-%m-%d %H:%M:%S.%f}'" if since is not None else ""
        )
        self._where = where
        self._columns = columns_for(keys) | columns_in(f"{self._since} {where}")

    def groups(self, paths: Sequence[Path]) -> tuple[Found, Sequence[Damage], list[Group]]:
        """The recordings that were found, what is damaged in them, and the groups of their interactions."""
        from mcptap.analysis.database import Error  # noqa: PLC0415 - imports DuckDB
        from mcptap.analysis.finding import Found, find  # noqa: PLC0415
        from mcptap.analysis.one_pass import passing_groups  # noqa: PLC0415
        from mcptap.analysis.statistics import groups  # noqa: PLC0415

        # A condition is tried before it is used, what --since leaves out is looked at for damage, too, and
        # sessions are looked up: that takes several queries.
        if not (self._since or self._where is not None or self._views):
            found = find(paths)
            with suppress(Error):
                with _progress() as progress:
                    grouped = passing_groups(found.sources, self.keys, progress=progress)
                _note(found.passed_over)
                return found, (), grouped
        recordings, interactions = self(paths)
        found = Found(recordings.sources, recordings.passed_over)
        return found, recordings.damage, groups(interactions, self.keys)

    def __call__(self, paths: Sequence[Path]) -> tuple[Recordings, duckdb.DuckDBPyRelation]:
        """The recordings, and those of their interactions that were asked for."""
        from mcptap.analysis import load  # noqa: PLC0415 - imports DuckDB

        with _progress() as progress:
            recordings = load(paths, columns=self._columns, views=self._views, progress=progress)
        _note([*recordings.passed_over, *map(str, recordings.damage)])
        interactions = recordings.interactions
        if self._since:
            interactions = interactions.filter(self._since)
        if self._where is not None:
            interactions = recordings.where(self._where, interactions)
        return recordings, interactions

    @property
    def _views(self) -> bool:
        """Whether the sessions are needed, or only the interactions."""
        return not self._columns.isdisjoint({"era", "transport", "client"})


def _note(notes: Sequence[str]) -> None:
    for note in notes:
        click.echo(f"mcptap: note: {printable(note)}", err=True)


def _moment(text: str) -> datetime:
    """A time in UTC without a zone, from a time or from how long ago it was."""
    try:
        if ago := re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text):
            return datetime.now(UTC).replace(tzinfo=None) - timedelta(**{_SPANS[ago[2]]: float(ago[1])})
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError:
        raise UsageError(f"--since {text!r} is before all time", "leave it out for everything") from None
    except ValueError:
        raise UsageError(
            f"--since {text!r} is no time", "write it like 2026-11-22, 2026-11-22T20:00 or 2h"
        ) from None


@contextmanager
def _progress() -> Iterator[Callable[[float], None] | None]:
    """A progress bar on a terminal, for what takes longer than a second."""
    if not sys.stderr.isatty():
        yield None
        return
    started = monotonic()
    with click.progressbar(length=100, label="Reading", file=sys.stderr, hidden=True) as bar:

        def show(percent: float) -> None:
            bar.hidden = monotonic() - started < _BAR_AFTER
            bar.update(max(0, int(percent) - bar.pos))

        yield show
        bar.update(100 - bar.pos)


def _show(reading: _Reading, paths: Sequence[Path], thresholds: Sequence[Threshold], *, as_json: bool) -> int:
    from mcptap.cli.stats_table import groups_table  # noqa: PLC0415

    found, damage, groups = reading.groups(paths)
    judgement = _judged(thresholds, [(group, None) for group in groups])
    if as_json:
        shown = [_group_object(reading.keys, group) for group in groups]
        click.echo(dumps({**_totals(found, damage, groups), "groups": shown, **_judgement(judgement)}))
    else:
        for line in groups_table(reading.keys, groups, len(found.sources)):
            click.echo(line)
    return _told(judgement)


def _compare(
    reading: _Reading, old: Path, new: Path, thresholds: Sequence[Threshold], *, as_json: bool
) -> int:
    from mcptap.analysis.comparison import compare  # noqa: PLC0415
    from mcptap.cli.stats_table import comparison_table  # noqa: PLC0415

    before, after = reading([old]), reading([new])
    compared = compare(before[1], after[1], reading.keys)
    judgement = _judged(thresholds, [(each.new, each.old) for each in compared if each.new])
    if as_json:
        shown = [_comparison_object(reading.keys, each) for each in compared]
        click.echo(dumps({"old": str(old), "new": str(new), "groups": shown, **_judgement(judgement)}))
    else:
        for line in comparison_table(reading.keys, compared):
            click.echo(line)
    if thresholds:
        _note([f"{_named(each.key)} is only in OLD" for each in compared if not each.new])
        _note([f"{_named(each.key)} is only in NEW" for each in compared if not each.old])
    return _told(judgement)


def _judged(
    thresholds: Sequence[Threshold], groups: Sequence[tuple[Group, Group | None]]
) -> Judgement | None:
    if not thresholds:
        return None
    from mcptap.analysis.threshold import judge  # noqa: PLC0415 - only where it is asked for

    return judge(thresholds, groups)


def _judgement(judgement: Judgement | None) -> dict[str, Any]:
    if judgement is None:
        return {"past": [], "unheld": []}
    past = [
        {
            "key": list(new.key),
            "metric": threshold.metric,
            "condition": threshold.text,
            "shown": threshold.shown(new, old),
        }
        for threshold, new, old in judgement.past
    ]
    return {"past": past, "unheld": [threshold.text for threshold in judgement.unheld]}


def _told(judgement: Judgement | None) -> int:
    """Tell what is past a threshold; the exit code."""
    if judgement is None:
        return 0
    for threshold, new, old in judgement.past:
        text = (
            f"{_named(new.key)}: {threshold.metric} is {threshold.shown(new, old)}, past {threshold.text!r}"
        )
        click.echo(f"mcptap: {printable(text)}", err=True)
    for threshold in judgement.unheld:
        click.echo(f"mcptap: there is nothing to hold {threshold.text!r} against", err=True)
    return 1 if judgement.failed else 0


def _named(key: Sequence[str | None]) -> str:
    return " ".join(filter(None, key)) or "all"


def _totals(found: Found, damage: Sequence[Damage], groups: Sequence[Group]) -> dict[str, Any]:
    return {
        "recordings": len(found.sources),
        "interactions": sum(group.calls for group in groups),
        "passed_over": list(found.passed_over),
        "damaged": [
            {"file": str(each.path), "lines": list(each.lines), "why": each.why, "torn": each.torn}
            for each in damage
        ],
    }


def _group_object(keys: Sequence[str], group: Group) -> dict[str, Any]:
    numbers = asdict(group)
    return {**dict(zip(keys, numbers.pop("key"), strict=True)), **numbers, "proxy_share": group.proxy_share}


def _comparison_object(keys: Sequence[str], each: Comparison) -> dict[str, Any]:
    return {
        **dict(zip(keys, each.key, strict=True)),
        "old": _group_object((), replace(each.old, key=())) if each.old else None,
        "new": _group_object((), replace(each.new, key=())) if each.new else None,
        "changes": {
            name: {"ratio": _finite(made.ratio), "low": _finite(made.low), "high": _finite(made.high)}
            for name, made in each.changes.items()
        },
    }


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if isfinite(value) else None
