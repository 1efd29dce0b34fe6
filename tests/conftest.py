"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.pairs.table import PROPERTY, table

settings.register_profile("unhurried", deadline=None)  # other tests run beside them, and time is no law
settings.load_profile("unhurried")


@pytest.fixture
def anyio_backend() -> str:
    """Everything runs on asyncio, as the product does."""
    return "asyncio"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of the transports' pairs, where they were tested."""
    reports = terminalreporter.getreports("passed")
    held = [tuple(value) for report in reports for name, value in report.user_properties if name == PROPERTY]
    if held:
        terminalreporter.section("live, recorded and replayed the same as direct, in both eras")
        terminalreporter.write_line(table(held))
