"""Recordings as tables: DuckDB, pandas and Arrow (docs/analysis.md)."""

from __future__ import annotations

from mcptap.analysis.loading import Recordings, load

__all__ = ["Recordings", "load"]
