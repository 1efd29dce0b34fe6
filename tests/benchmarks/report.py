"""How long a report of 50,000 requests takes in Chromium, and the longest task that holds its page up.

``python -m tests.benchmarks.report [REQUESTS]``
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.reporting.browsing import browser, report
from tests.reporting.generated import write

_OBSERVE = """window.tasks = [];
new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({ type: "longtask", buffered: true });"""


def _measured(page: Page, name: str, act: Callable[[], object]) -> None:
    start = time.perf_counter()
    act()
    took = time.perf_counter() - start
    page.wait_for_timeout(800)  # what is drawn after it
    longest = page.evaluate("Math.max(0, ...window.tasks.splice(0))")
    print(f"{name:<32} {took:6.2f} s   longest task {longest:4.0f} ms")


def main(requests: int) -> None:
    """Print a line for each thing that a reader does."""
    with tempfile.TemporaryDirectory() as folder, browser() as running:
        cassette = write(Path(folder) / "rec.jsonl", requests)
        start = time.perf_counter()
        url = report(cassette)
        made, size = time.perf_counter() - start, Path(f"{cassette}.html").stat().st_size
        print(f"{cassette.stat().st_size / 1e6:.1f} MB, a report of {size / 1e6:.1f} MB in {made:.1f} s")
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        page = running.new_page(viewport={"width": 1400, "height": 1000})
        page.add_init_script(_OBSERVE)
        found = page.locator("#found")

        def load() -> None:
            page.goto(url)
            page.wait_for_selector("html[data-ready]")

        def search() -> None:
            page.fill("#text", "it broke")
            expect(found).not_to_have_text(re.compile(f"^{requests:,} of"))

        def open_last() -> None:
            page.locator("#grid").press("End")
            page.locator("#grid").press("Enter")
            page.wait_for_selector("#call-body section")

        def search_bodies() -> None:
            page.fill("#text", f'"number":{requests // 2}}}')
            expect(found).to_have_text(re.compile("^1 of .*first$"), timeout=120_000)

        _measured(page, "load", load)
        _measured(page, "search", search)
        page.fill("#text", "")
        page.wait_for_timeout(1000)
        page.evaluate("window.tasks = []")
        _measured(page, "open the last request", open_last)
        page.click("#close")
        page.check("#in-bodies")
        _measured(page, "search in all bodies", search_bodies)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
