"""Recordings as tables: DuckDB, pandas and Arrow (docs/analysis.md)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcptap.analysis.loading import Recordings, load

__all__ = ["Recordings", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mcptap.analysis' has no attribute {name!r}")
    return getattr(import_module("mcptap.analysis.loading"), name)
