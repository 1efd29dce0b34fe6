from __future__ import annotations

from hypothesis import settings

# The tests run side by side, where a single example may well take longer than usual.
settings.register_profile("side by side", deadline=None)
settings.load_profile("side by side")
