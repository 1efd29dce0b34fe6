"""Groups of recordings in one pass over the files, which keeps nothing of them.

Reading the lines into a table first, as `load` does, takes longer. It is needed where they are asked for more
than once, and where a line is damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mcptap.analysis.columns import lines_query
from mcptap.analysis.database import Progress, add_files, in_memory, run
from mcptap.analysis.joining import interactions_query, requests_query
from mcptap.analysis.statistics import Group, columns_for, groups_of, groups_query

if TYPE_CHECKING:
    from mcptap.analysis.finding import Source


def passing_groups(
    sources: Sequence[Source], keys: Sequence[str], *, progress: Progress | None = None
) -> list[Group]:
    """The groups of all interactions in some cassettes: `groups` of what `load` gives.

    Args:
        sources: The cassettes.
        keys: What to group by: columns that aren't those of a session, and of `PERIODS`.
        progress: Is told how far it has come.

    Raises:
        Error: A line is damaged.
        CassetteError: The time in a header is none.
        UsageError: A key can't be grouped by.
    """
    columns = columns_for(keys)
    database = in_memory()
    numbers = add_files(database, sources)
    rows = run(
        database,
        f"""
        WITH lines AS MATERIALIZED ({lines_query(numbers, columns, linked=False)}),
            requests AS ({requests_query(columns, linked=False)}),
            chosen AS ({interactions_query(columns, linked=False)})
        {groups_query(keys)}
        """,
        progress,
    )
    return groups_of(rows, keys)
