"""The live page in a browser, at a front and beside a recording: a call comes, waits and ends in sight."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.clients.raw import HttpClient, handshake
from tests.http.running import MCPTAP, WIRE, mcptap, started
from tests.reporting.browsing import ARGUMENTS, chromium_path
from tests.servers.axe import axe_script

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SECRET = "ghp_" + "a1B2" * 9


@contextlib.asynccontextmanager
async def looking_at(address: str) -> AsyncIterator[Page]:
    said: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        page = await browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        await page.goto(address)
        await expect(page.locator("#connection")).to_have_text("● live", timeout=30_000)
        yield page
        assert said == []
        await browser.close()


async def watch(page: Page, client: HttpClient) -> None:
    """See a call wait, and then end."""
    pending = asyncio.create_task(client.call("never", {"token": SECRET}))
    row = page.locator(".row.pending")
    await expect(row).to_have_count(1, timeout=30_000)
    clock = row.locator(".took")
    first = await clock.inner_text()
    await expect(clock).not_to_have_text(first)
    await client.call("echo", {"text": "while it waits"})
    done = page.locator(".row", has_text="echo")
    await expect(done.first).to_contain_text("ok")
    await done.first.click()
    await expect(page.locator("#call-body")).to_contain_text("while it waits")
    await page.keyboard.press("Escape")
    await row.click()
    await expect(page.locator("#call-body")).to_contain_text("No answer yet")
    await expect(page.locator("#call-body")).not_to_contain_text(SECRET)
    await page.keyboard.press("Escape")
    await expect(page.locator("#groups")).to_contain_text("echo")
    await page.evaluate(axe_script())
    found = await page.evaluate("axe.run()")
    assert [each["id"] for each in found["violations"] if each["impact"] in {"serious", "critical"}] == []
    pending.cancel()
    await asyncio.gather(pending, return_exceptions=True)


@pytest.mark.parametrize("verb", ["record", "proxy"])
def test_calls_appear_at_the_front_as_they_happen(verb: str, tmp_path: Path) -> None:
    output = ["-o", str(tmp_path / "rec.jsonl")] if verb == "record" else []

    async def work() -> None:
        async with mcptap(verb, "--ui", *output, "--", *WIRE) as running:
            address = (await running.says(r"look at it at (\S+)"))[1]
            async with HttpClient(running.url, era="handshake") as client, looking_at(address) as page:
                await handshake(client)
                assert "token" not in page.url
                await watch(page, client)
                assert await running.stop(signal.SIGINT, within=10) == 0, running.text
                await expect(page.locator("#connection")).to_contain_text(re.compile("ended|lost"))

    asyncio.run(work())


def test_a_cassette_is_watched_while_it_is_written(tmp_path: Path) -> None:
    cassette = tmp_path / "rec.jsonl"

    async def work() -> None:
        async with (
            mcptap("record", "-o", cassette, "--", *WIRE) as recording,
            HttpClient(recording.url, era="handshake") as client,
        ):
            await handshake(client)
            async with started([*MCPTAP, "ui", str(cassette)]) as watching:
                address = (await watching.says(r"look at it at (\S+)"))[1]
                async with looking_at(address) as page:
                    await watch(page, client)
                    await client.call("echo", {"text": "named"})
                    row = page.locator(".row", has_text="echo").last
                    await expect(row).to_be_visible()
                    await page.goto(f"{page.url.partition('#')[0]}#seq=1")
                    await page.reload()
                    await expect(page.locator("#call-facts")).to_contain_text("seq 1 ")
                    assert await watching.stop(signal.SIGTERM, within=10) == 0, watching.text

    asyncio.run(work())
