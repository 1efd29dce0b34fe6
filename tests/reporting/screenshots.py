"""The README's pictures of the report: ``python -m tests.reporting.screenshots docs/images``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import ViewportSize

from tests.reporting.browsing import browser, page, report
from tests.reporting.generated import write

_SIZE = ViewportSize(width=1280, height=860)


def take(folder: Path) -> None:
    """Write the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, browser() as running:
        url = report(write(Path(temporary) / "search.jsonl", 2_000))
        with page(running, url) as opened:
            opened.set_viewport_size(_SIZE)
            opened.locator("#from").fill("20")
            opened.locator("#to").fill("26")
            opened.get_by_role("columnheader", name="at", exact=True).get_by_role("button").click()
            opened.wait_for_timeout(500)
            opened.screenshot(path=folder / "report-light.png")
        recorded = Path(__file__).resolve().parents[2] / "recordings" / "everything.jsonl"
        copied = Path(temporary) / "everything.jsonl"
        copied.write_bytes(recorded.read_bytes())
        with page(running, f"{report(copied)}#seq=11", scheme="dark") as opened:
            opened.set_viewport_size(_SIZE)
            opened.wait_for_selector("#call-body section")
            opened.screenshot(path=folder / "call-dark.png")


if __name__ == "__main__":
    take(Path(sys.argv[1]))
