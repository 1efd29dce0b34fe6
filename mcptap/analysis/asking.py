"""Asking for something about some interactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import duckdb


def ask(interactions: duckdb.DuckDBPyRelation, query: str) -> duckdb.DuckDBPyRelation:
    """The relation that a SELECT from ``chosen``, the interactions, gives; raises ``duckdb.Error``."""
    return cast("duckdb.DuckDBPyRelation", interactions.query("chosen", query))
