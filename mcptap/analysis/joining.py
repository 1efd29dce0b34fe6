"""Interactions of the lines of cassettes, in SQL: what was written in several lines is joined."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from mcptap.analysis.columns import INTERACTION, UNANSWERED, Member, members

# An end ends one request, also where two have the same seq.
_TURNS: Final = "SELECT *, row_number() OVER (PARTITION BY file, seq) AS turn FROM split"


def requests_query(columns: Collection[str], *, linked: bool) -> str:
    """The query that gives one row a request of ``lines``; the arguments are those of `lines_query`."""
    made = members(columns, linked=linked)
    whole = ", ".join(f'"{member.name}"' for member in made)
    joined = ", ".join(map(_joined, made))
    happened = (
        "LEFT JOIN (SELECT file, seq, list(events[1] ORDER BY events[1].at_ms) AS events FROM split"
        " WHERE kind = 'event' GROUP BY file, seq) AS h ON h.file = b.file AND h.seq = b.seq AND b.turn = 1"
        if any(member.name == "events" for member in made)
        else ""
    )
    return f"""
        WITH split AS MATERIALIZED (FROM lines WHERE kind IN ('begin', 'event', 'end'))
        SELECT file, seq, {whole} FROM lines WHERE kind = 'interaction'
        UNION ALL
        SELECT b.file, b.seq, {joined}
        FROM ({_TURNS} WHERE kind = 'begin') AS b
        LEFT JOIN ({_TURNS} WHERE kind = 'end') AS e
            ON e.file = b.file AND e.seq = b.seq AND e.turn = b.turn
        {happened}
    """


def interactions_query(columns: Collection[str], *, linked: bool) -> str:
    """The query that gives one row an interaction of ``requests``; ``linked`` as in `lines_query`."""
    chosen = ", ".join(f'{it.sql} AS "{it.name}"' for it in INTERACTION if it.name in columns)
    sessions = "LEFT JOIN sessions AS s ON s.file_number = i.file AND s.session = i.session" if linked else ""
    return f"SELECT {chosen} FROM requests AS i JOIN files AS c ON c.file = i.file {sessions}"


def _joined(member: Member) -> str:
    if member.name == "outcome":
        return f"coalesce(e.outcome, {UNANSWERED}) AS outcome"
    if member.name == "events":
        return "coalesce(h.events, []) AS events"
    return f'{"b" if member.of == "request" else "e"}.{member.name} AS "{member.name}"'
