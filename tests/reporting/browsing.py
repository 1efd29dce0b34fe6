"""A headless Chromium, and what every page must stand: no error in its console, nothing serious for axe."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

from mcptap.reporting.reading import read
from mcptap.reporting.report import make_report, write_report
from tests.servers.axe import axe_script
from tests.servers.cache import cannot_run

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str:
    """Where Chromium is; without it a test is skipped, or fails in CI."""
    found = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")
    if found is None:
        cannot_run("there is no chromium")
    return found


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Run Chromium."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        try:
            yield running
        finally:
            running.close()


@contextlib.contextmanager
def page(
    running: Browser, url: str, *, scheme: Literal["light", "dark"] = "light", script: bool = True
) -> Iterator[Page]:
    """Open a page in a context of its own; whatever the console has at the end is an error of the test."""
    context = running.new_context(
        color_scheme=scheme, java_script_enabled=script, viewport={"width": 1400, "height": 1000}
    )
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: said.append(request.url) if foreign(request.url, url) else None)
    opened.goto(url)
    if script:
        opened.wait_for_selector("html[data-ready]")
    try:
        yield opened
        assert said == []
    finally:
        context.close()


def foreign(asked: str, url: str) -> bool:
    """Whether a page asks somebody else than whom it came from."""
    return url.startswith("file:") and asked.partition("#")[0] != url.partition("#")[0]


def serious(opened: Page) -> list[Any]:
    """What axe finds that is serious or critical."""
    opened.evaluate(axe_script())
    found = opened.evaluate("axe.run()")
    return [
        (each["id"], [node["target"] for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
    ]


def report(cassette: Path, against: Path | None = None) -> str:
    """The address of a report of a recording."""
    target = cassette.with_name(f"{cassette.name}.html")
    write_report(make_report(read(cassette), read(against) if against else None), target)
    return target.as_uri()
