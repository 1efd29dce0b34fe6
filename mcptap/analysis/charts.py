"""Charts of recordings, for notebooks (needs Altair: ``pip install mcptap[notebook]``).

Each takes a relation with the columns of ``interactions`` and gives an Altair chart of the milliseconds
that the server took. What is drawn is computed by DuckDB, so a chart of a million calls is as small as
one of a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import altair as alt

from mcptap.analysis.asking import ask
from mcptap.analysis.comparison import Comparison

if TYPE_CHECKING:
    import duckdb

_WIDTH: Final = 620
_ROW: Final = 22
_MOST_POINTS: Final = 3000
_PARTS: Final = [step / 200 for step in range(201)]
_MILLISECONDS: Final = ",~r"
_A_DAY: Final = 86_400_000
_LABEL: Final = "coalesce(tool, method)"
_OUTCOME_COLOURS: Final = {
    "ok": "#4c78a8",
    "tool error": "#f58518",
    "error": "#e45756",
    "input_required": "#72b7b2",
    "cancelled": "#b279a2",
    "disconnected": "#9d755d",
    "unanswered": "#bab0ac",
}


def percentiles(interactions: duckdb.DuckDBPyRelation) -> Any:
    """Median, 90th and 99th percentile of each tool, the slowest first, on a log axis."""
    rows = _rows(
        interactions,
        f"""
        SELECT {_LABEL} AS name, count(*) AS calls, greatest(quantile_cont(ms, 0.5), 1e-3) AS p50,
            greatest(quantile_cont(ms, 0.9), 1e-3) AS p90, greatest(quantile_cont(ms, 0.99), 1e-3) AS p99
        FROM chosen WHERE ms IS NOT NULL GROUP BY name ORDER BY p99 DESC, name LIMIT 40
        """,
    )
    base = alt.Chart(_data(rows)).encode(y=_names(rows))
    tips = ["name:N", "calls:Q", *(alt.Tooltip(f"{name}:Q", format=".3~r") for name in ("p50", "p90", "p99"))]
    line = base.mark_rule(strokeWidth=3, color="#c6d4e3").encode(x=_time("p50"), x2="p99:Q", tooltip=tips)
    points = (
        base.transform_fold(["p50", "p90", "p99"], as_=["percentile", "ms"])
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            x=_time("ms"),
            color=alt.Color(
                "percentile:N", title=None, scale=alt.Scale(range=["#4c78a8", "#f58518", "#e45756"])
            ),
            shape=alt.Shape("percentile:N", title=None),
            tooltip=tips,
        )
    )
    return (line + points).properties(width=_WIDTH, height=_height(rows), title="Upstream time by tool")


def ecdf(interactions: duckdb.DuckDBPyRelation, *, tools: int = 8) -> Any:
    """What part of the calls was answered within a time, for the ``tools`` that took the most of it."""
    rows = _rows(
        interactions,
        f"""
        WITH most AS (
            SELECT {_LABEL} AS name FROM chosen GROUP BY name
            ORDER BY sum(ms) DESC NULLS LAST, name LIMIT {int(tools)}
        ), steps AS (
            SELECT {_LABEL} AS name, quantile_disc(ms, {_PARTS}) AS ms
            FROM chosen WHERE ms IS NOT NULL GROUP BY name
        )
        SELECT name, unnest({_PARTS}::DOUBLE[]) AS part, greatest(unnest(ms), 1e-3)::DOUBLE AS ms
        FROM steps SEMI JOIN most USING (name) ORDER BY name, part
        """,
    )
    return (
        alt.Chart(_data(rows))
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=_time("ms"),
            y=alt.Y("part:Q", title="answered within", axis=alt.Axis(format="%")),
            color=alt.Color(
                "name:N", title=None, scale=alt.Scale(scheme="tableau10"), legend=alt.Legend(labelLimit=260)
            ),
            tooltip=["name:N", alt.Tooltip("part:Q", format=".1%"), alt.Tooltip("ms:Q", format=".3~r")],
        )
        .properties(width=_WIDTH, height=300, title="How many calls are answered within a time")
    )


def over_time(interactions: duckdb.DuckDBPyRelation) -> Any:
    """Each call at its time, by outcome; a sample of them where there are very many."""
    rows = _rows(
        interactions,
        f"""
        SELECT epoch_ms(time)::DOUBLE AS time, greatest(ms, 1e-3)::DOUBLE AS ms, outcome,
            {_LABEL} AS name, file, seq
        FROM (SELECT * FROM chosen WHERE ms IS NOT NULL)
        USING SAMPLE reservoir({_MOST_POINTS} ROWS) REPEATABLE (7) ORDER BY time
        """,
    )
    span = rows[-1]["time"] - rows[0]["time"] if rows else 0
    axis = alt.Axis(format="%H:%M:%S" if span < _A_DAY else "%d %b %H:%M", tickCount=8)
    return (
        alt.Chart(_data(rows))
        .mark_circle(size=60, opacity=0.7)
        .encode(
            x=alt.X("time:T", title="time (UTC)", scale=alt.Scale(type="utc"), axis=axis),
            y=alt.Y(
                "ms:Q", title="ms (log)", scale=alt.Scale(type="log"), axis=alt.Axis(format=_MILLISECONDS)
            ),
            color=_outcome(),
            tooltip=["name:N", "outcome:N", alt.Tooltip("ms:Q", format=".3~r"), "file:N", "seq:Q"],
        )
        .properties(width=_WIDTH, height=280, title="Upstream time, call by call")
    )


def waterfall(interactions: duckdb.DuckDBPyRelation) -> Any:
    """The calls of a session as bars from arrival to answer, the first 100; choose the session before."""
    rows = _rows(
        interactions,
        f"""
        SELECT seq, seq || '  ' || {_LABEL} AS name, outcome, ms, proxy_ms,
            1e3 * ("at" - min("at") OVER ()) AS arrived,
            arrived + greatest(coalesce(ms, 0) + coalesce(proxy_ms, 0), 5e-1) AS answered
        FROM chosen ORDER BY "at", seq LIMIT 100
        """,
    )
    return (
        alt.Chart(_data(rows))
        .mark_bar(cornerRadius=2, height=alt.RelativeBandSize(0.7), minBandSize=2)
        .encode(
            x=alt.X("arrived:Q", title="ms since the first request"),
            x2="answered:Q",
            y=_names(rows),
            color=_outcome(),
            tooltip=[
                "name:N",
                "outcome:N",
                alt.Tooltip("ms:Q", format=".3~r"),
                alt.Tooltip("proxy_ms:Q", format=".3~r"),
            ],
        )
        .properties(width=_WIDTH, height=_height(rows), title="A session, call by call")
    )


def proxy_against_upstream(interactions: duckdb.DuckDBPyRelation) -> Any:
    """The median of the server's time beside that of mcptap's own, for each tool, on a log axis."""
    rows = _rows(
        interactions,
        f"""
        UNPIVOT (
            SELECT {_LABEL} AS name, greatest(quantile_cont(ms, 0.5), 1e-3) AS server,
                greatest(quantile_cont(proxy_ms, 0.5), 1e-3) AS proxy
            FROM chosen WHERE ms IS NOT NULL GROUP BY name ORDER BY server DESC, name LIMIT 40
        ) ON server, proxy INTO NAME whose VALUE ms
        """,
    )
    names = list(dict.fromkeys(row["name"] for row in rows))
    return (
        alt.Chart(_data(rows))
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=_time("ms", "median, ms (log)"),
            y=alt.Y("name:N", title=None, sort=names, axis=alt.Axis(labelLimit=260, grid=True)),
            color=alt.Color(
                "whose:N",
                title=None,
                scale=alt.Scale(domain=["server", "proxy"], range=["#4c78a8", "#f58518"]),
            ),
            shape=alt.Shape("whose:N", title=None, scale=alt.Scale(domain=["server", "proxy"])),
            tooltip=["name:N", "whose:N", alt.Tooltip("ms:Q", format=".3~r")],
        )
        .properties(
            width=_WIDTH,
            height=_ROW * max(len(names), 1),
            title="Whose time it is: the server's, and mcptap's",
        )
    )


def before_and_after(compared: Sequence[Comparison]) -> Any:
    """How each percentile changed, with its 95 % interval; 1x is no change."""
    rows = [
        {
            "name": " ".join(part for part in each.key if part),
            "percentile": name,
            "ratio": made.ratio,
            "low": made.low,
            "high": made.high,
        }
        for each in compared
        for name, made in each.changes.items()
    ]
    base = alt.Chart(_data(rows)).encode(
        y=_names(rows),
        yOffset=alt.YOffset("percentile:N"),
        color=alt.Color("percentile:N", title=None, scale=alt.Scale(range=["#4c78a8", "#f58518", "#e45756"])),
        tooltip=[
            "name:N",
            "percentile:N",
            *(alt.Tooltip(f"{it}:Q", format=".2f") for it in ("ratio", "low", "high")),
        ],
    )
    axis = alt.Axis(labelExpr="format(datum.value, '~r') + 'x'")
    interval = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title="after / before (log)", scale=alt.Scale(type="log", nice=False), axis=axis),
        x2="high:Q",
    )
    point = base.mark_point(filled=True, size=60, opacity=1).encode(x="ratio:Q")
    same = alt.Chart(_data([{"one": 1}])).mark_rule(strokeDash=[4, 4], color="#888").encode(x="one:Q")
    height = 2 * _ROW * max(len({row["name"] for row in rows}), 1)
    return (same + interval + point).properties(
        width=_WIDTH, height=height, title="Before and after, with 95 % intervals"
    )


def _data(rows: Sequence[dict[str, Any]]) -> Any:
    return alt.InlineData(values=list(rows))


def _rows(interactions: duckdb.DuckDBPyRelation, query: str) -> list[dict[str, Any]]:
    found = ask(interactions, query)
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def _names(rows: Sequence[dict[str, Any]]) -> alt.Y:
    names = list(dict.fromkeys(row["name"] for row in rows))
    return alt.Y("name:N", title=None, sort=names, axis=alt.Axis(labelLimit=260))


def _time(name: str, title: str = "ms (log)") -> alt.X:
    return alt.X(f"{name}:Q", title=title, scale=alt.Scale(type="log"), axis=alt.Axis(format=_MILLISECONDS))


def _outcome() -> alt.Color:
    scale = alt.Scale(domain=list(_OUTCOME_COLOURS), range=list(_OUTCOME_COLOURS.values()))
    return alt.Color("outcome:N", title=None, scale=scale)


def _height(rows: Sequence[dict[str, Any]]) -> int:
    return _ROW * max(len({row["name"] for row in rows}), 1)
