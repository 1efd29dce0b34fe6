"""What the backends that wrap other backends have in common."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from mcptap.exchange import Backend


@contextlib.asynccontextmanager
async def entered(backend: Any) -> AsyncIterator[Backend]:
    """Enter a backend that holds something open while it is used; others need no entering."""
    if hasattr(backend, "__aenter__"):
        async with backend as opened:
            yield opened
    else:
        yield backend
