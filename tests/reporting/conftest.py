from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    from tests.reporting.browsing import browser  # noqa: PLC0415 - playwright is for these tests alone

    with browser() as running:
        yield running
