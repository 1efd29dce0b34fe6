"""What all tests share."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Everything runs on asyncio, as the product does."""
    return "asyncio"
