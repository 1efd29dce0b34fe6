"""Before and after: how the percentiles of each group changed, and how sure that is."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

import duckdb

from mcptap.analysis.asking import ask
from mcptap.analysis.bootstrap import Change, change
from mcptap.analysis.statistics import COMPARED_KEYS, PERCENTILES, Group, groups, key_sql

_SEED: Final = 20260728  # the same recordings give the same interval

Key: TypeAlias = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A group before and after; one of them is ``None`` where it is in one recording only.

    ``changes`` has the percentiles of the upstream time by their names (``p50`` …); it is empty where
    one side has no times.
    """

    key: Key
    old: Group | None
    new: Group | None
    changes: Mapping[str, Change]


def compare(
    old: duckdb.DuckDBPyRelation, new: duckdb.DuckDBPyRelation, keys: Sequence[str] = COMPARED_KEYS
) -> list[Comparison]:
    """Compare two sets of interactions group by group: in the order of the new ones, then what is gone.

    Raises:
        UsageError: A key can't be grouped by.
    """
    before = {group.key: group for group in groups(old, keys)}
    after = {group.key: group for group in groups(new, keys)}
    old_times, new_times = times(old, keys), times(new, keys)
    compared = []
    for key in [*after, *(key for key in before if key not in after)]:
        chance = Random(_SEED)  # noqa: S311 - statistics
        had, has = old_times.get(key), new_times.get(key)
        changes = (
            {name: change(had, has, part, chance=chance) for name, part in PERCENTILES.items()}
            if had and has
            else {}
        )
        compared.append(Comparison(key, before.get(key), after.get(key), changes))
    return compared


def times(interactions: duckdb.DuckDBPyRelation, keys: Sequence[str]) -> dict[Key, array[float]]:
    """The upstream times (ms) of each group, in ascending order."""
    selected = "".join(f"{key_sql(key)} AS k{place}, " for place, key in enumerate(keys))
    rows = ask(
        interactions,
        f"SELECT {selected} list(ms ORDER BY ms) FROM chosen WHERE ms IS NOT NULL GROUP BY ALL",
    ).fetchall()
    return {tuple(key): array("d", values) for *key, values in rows}
