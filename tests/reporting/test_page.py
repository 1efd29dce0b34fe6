"""The report in a browser: looked at, searched, opened, by mouse and by keyboard, and without scripts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from mcptap.cassette.format import interaction_line
from mcptap.codec import dumps
from mcptap.model import Event, Interaction
from tests.cassette import samples
from tests.reporting.browsing import page, report, serious
from tests.reporting.generated import write

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

NASTY = "</script><img src=x onerror=alert(1)><b>&amp; \u202e \x00"
EXACT = (
    '{"big":12345678901234567890,"float":1.0,"exponent":1E5,"none":[],"no":{},'
    '"text":"\\" [1,2] {\\"a\\": 3}"}'
)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = write(tmp_path / "rec.jsonl", 300)
    nasty = Interaction(
        seq=301,
        session=1,
        at=20.0,
        method=NASTY,
        params={"name": NASTY},
        ms=123456.0,
        error={"code": NASTY, "message": NASTY},
        events=(Event(4.25, "server", NASTY, {NASTY: NASTY}, result={"ok": NASTY}, ms=12.5),),
    )
    exact = b'{"kind":"interaction","seq":302,"session":1,"at":21,"method":"exact","params":%s,"result":%s}\n'
    with path.open("ab") as file:
        file.write(dumps(interaction_line(nasty)) + b"\n")
        file.write(exact % (EXACT.encode(), EXACT.encode()))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_loads_without_an_error_and_axe_finds_nothing_serious(
    chromium: Browser, recording: Path, scheme: Literal["light", "dark"]
) -> None:
    with page(chromium, report(recording), scheme=scheme) as opened:
        expect(opened.locator("#found")).to_contain_text("302 of 302 requests")
        assert serious(opened) == []
        opened.locator("#grid").press("Enter")
        opened.wait_for_selector("#call-body section")
        assert serious(opened) == []


def test_errors_come_first_and_a_click_on_a_heading_sorts(chromium: Browser, recording: Path) -> None:
    with page(chromium, report(recording)) as opened:
        first = opened.locator("#row-0 .outcome")
        expect(first).to_contain_text(re.compile("error"))
        opened.get_by_role("columnheader", name="took").get_by_role("button").click()
        expect(opened.locator("#row-0 .took")).to_have_text("123.46 s")
        assert opened.get_by_role("columnheader", name="took").get_attribute("aria-sort") == "descending"


def test_it_is_searched_and_filtered(chromium: Browser, recording: Path) -> None:
    with page(chromium, report(recording)) as opened:
        found = opened.locator("#found")
        opened.locator("#text").fill("run_query")
        expect(found).not_to_contain_text("302 of")
        for name in visible(opened, 4):
            assert name == "run_query"
        opened.get_by_label("Outcome").select_option("failed")
        expect(found).to_contain_text(re.compile(r"^(\d+) of 302 requests, \1 failed"))
        opened.get_by_role("button", name="Clear").click()
        expect(found).to_contain_text("302 of 302")
        opened.get_by_label("in bodies too").check()
        opened.locator("#text").fill('"number":77}')
        expect(found).to_contain_text("1 of 302")
        opened.get_by_role("button", name="Clear").click()
        opened.get_by_label("At least").fill("100000")
        expect(found).to_contain_text("1 of 302")
        opened.get_by_label("At least").fill("1e9")
        expect(opened.locator("#grid")).to_contain_text("No request is like that.")


def visible(opened: Page, column: int) -> list[str]:
    return opened.locator(f"#grid .body .row > :nth-child({column + 1})").all_inner_texts()


def test_the_keyboard_reaches_every_call_and_the_address_names_it(chromium: Browser, recording: Path) -> None:
    with page(chromium, report(recording)) as opened:
        opened.keyboard.press("/")
        expect(opened.locator("#text")).to_be_focused()
        opened.locator("#grid").focus()
        for key in ("End", "ArrowUp", "PageUp", "Home", "ArrowDown"):
            opened.keyboard.press(key)
        assert opened.locator("#grid").get_attribute("aria-activedescendant") == "row-1"
        opened.keyboard.press("Enter")
        title = opened.locator("#call-facts").inner_text()
        opened.keyboard.press("j")
        expect(opened.locator("#call-facts")).not_to_have_text(title)
        opened.keyboard.press("k")
        expect(opened.locator("#call-facts")).to_have_text(title)
        opened.keyboard.press("Escape")
        expect(opened.locator("#call")).to_be_hidden()
        expect(opened.locator("#grid")).to_be_focused()
    with page(chromium, f"{report(recording)}#seq=10") as opened:
        expect(opened.locator("#call-facts")).to_contain_text("seq 10 ")
        expect(opened.locator("#call-body ol.events")).to_contain_text(
            "+1.5 ms from the server: notifications/progress"
        )


def test_headings_are_reached_and_pressed_by_the_keyboard(chromium: Browser, recording: Path) -> None:
    with page(chromium, report(recording)) as opened:
        opened.locator("#grid").focus()
        for _ in range(6):
            opened.keyboard.press("Tab")
        opened.keyboard.press("Enter")
        took = opened.get_by_role("columnheader", name="took")
        expect(took).to_have_attribute("aria-sort", "descending")
        opened.keyboard.press(" ")
        expect(took).to_have_attribute("aria-sort", "ascending")
        expect(opened.locator("#call")).to_be_hidden()


def test_from_a_search_the_keyboard_goes_to_what_was_found(chromium: Browser, recording: Path) -> None:
    with page(chromium, report(recording)) as opened:
        opened.keyboard.press("/")
        opened.keyboard.type("run_query")
        opened.keyboard.press("ArrowDown")
        expect(opened.locator("#grid")).to_be_focused()
        expect(opened.locator("#found")).not_to_contain_text("302 of")
        assert opened.locator("#grid").get_attribute("aria-activedescendant") == "row-0"
        opened.keyboard.press("/")
        opened.keyboard.press("Control+a")
        opened.keyboard.type("exact")
        opened.keyboard.press("Enter")
        expect(opened.locator("#call-title")).to_have_text("exact")


def test_an_address_is_followed_while_the_page_is_open_and_what_is_not_there_is_said(
    chromium: Browser, recording: Path
) -> None:
    with page(chromium, f"{report(recording)}#seq=900") as opened:
        expect(opened.locator("#missing")).to_have_text("There is no request 900 here.")
        for seq in (10, 11):
            opened.evaluate(f"location.hash = 'seq={seq}'")
            expect(opened.locator("#call-facts")).to_contain_text(f"seq {seq} ")
        expect(opened.locator("#missing")).to_be_hidden()


def test_what_was_recorded_is_text_and_no_markup(chromium: Browser, recording: Path) -> None:
    with page(chromium, f"{report(recording)}#seq=301") as opened:
        shown = opened.locator("#call-body")
        expect(shown).to_contain_text("<img src=x onerror=alert(1)>")
        expect(shown).to_contain_text("answered after 12.5 ms")
        assert opened.locator("img, #call-body b b, #groups b").count() == 0
        assert json.loads(opened.get_by_label("Request", exact=True).inner_text()) == {"name": NASTY}


def test_json_is_shown_as_it_was_spelled(chromium: Browser, recording: Path) -> None:
    with page(chromium, f"{report(recording)}#seq=302") as opened:
        shown = opened.get_by_label("Answer", exact=True).inner_text()
    assert json.loads(shown, parse_float=str, parse_int=str) == json.loads(
        EXACT, parse_float=str, parse_int=str
    )
    assert '"exponent": 1E5' in shown


def test_it_shows_what_differs_from_another_recording(chromium: Browser, tmp_path: Path) -> None:
    begun = [
        samples.SAMPLE[0],
        interaction_line(samples.call(1)),
        interaction_line(samples.call(2, tool="gone")),
    ]
    old = samples.write(tmp_path / "old.jsonl", begun)
    now = [
        samples.SAMPLE[0],
        interaction_line(samples.call(1, answer="one")),
        interaction_line(samples.call(2, tool="new")),
    ]
    new = samples.write(tmp_path / "new.jsonl", now)
    with page(chromium, report(new, old)) as opened:
        opened.get_by_role("columnheader", name="against").get_by_role("button").click()
        expect(opened.locator("#row-2 .mark")).to_have_text("new")
        assert [opened.locator(f"#row-{place} .mark").inner_text() for place in range(3)] == [
            "changed",
            "gone",
            "new",
        ]
        opened.locator("#row-0").click()
        cells = opened.locator("#call-body td").all_inner_texts()
        assert cells == ["$.result.content[0].text", '"noon"', '"one"']
        assert serious(opened) == []
        expect(opened.locator("#found")).to_contain_text("2 of 2 requests, 0 failed, and 1 gone")
    for script in (True, False):
        with page(chromium, report(new, old), script=script) as opened:
            expected = "Against old.jsonl: 0 same, 1 changed, 1 new, 1 gone."
            expect(opened.locator("#compared")).to_have_text(expected)
    with page(chromium, report(new, old), script=False) as opened:
        differing = opened.locator("#without-script table", has_text="The first 3 that differ")
        assert differing.locator("td:last-child").all_inner_texts() == ["changed", "new", "gone"]


def test_an_address_names_a_request_of_this_recording_or_one_that_is_gone(
    chromium: Browser, tmp_path: Path
) -> None:
    old = samples.write(tmp_path / "old.jsonl", [interaction_line(samples.call(2, tool="gone"))])
    new = samples.write(tmp_path / "new.jsonl", [interaction_line(samples.call(2, tool="new"))])
    address = report(new, old)
    for named, title in (("seq", "new"), ("gone", "gone")):
        with page(chromium, f"{address}#{named}=2") as opened:
            expect(opened.locator("#call-title")).to_have_text(f"tools/call {title}")
            assert opened.url.endswith(f"#{named}=2")


def test_a_page_of_nothing_says_so(chromium: Browser, tmp_path: Path) -> None:
    with page(chromium, report(samples.write(tmp_path / "rec.jsonl", []))) as opened:
        expect(opened.locator("#grid")).to_contain_text("There is no request.")


@pytest.mark.parametrize("script", [True, False])
def test_a_narrow_screen_and_long_names_leave_every_column_readable(
    chromium: Browser, recording: Path, *, script: bool
) -> None:
    with recording.open("a") as file:
        for seq, name in enumerate(("tool" * 50, "a word " * 30), 400):
            line = interaction_line(samples.call(seq, tool=name))
            file.write(dumps(line | {"ms": 1e300}).decode() + "\n")
    with page(chromium, report(recording), script=script) as opened:
        opened.set_viewport_size({"width": 360, "height": 800})
        cells = opened.locator("td:visible").evaluate_all(
            "cells => cells.map((cell) => [cell.clientWidth, cell.textContent])"
        )
        assert [each for each in cells if each[0] < 40 and len(each[1]) > 5] == []
        assert max(len(text) for _, text in cells) <= 230
        assert opened.evaluate("document.documentElement.scrollWidth") <= 360
        expect(opened.locator("#cards")).to_contain_text("1.0e+297 s")


def test_without_scripts_the_numbers_are_there(chromium: Browser, recording: Path) -> None:
    with page(chromium, report(recording), script=False) as opened:
        expect(opened.locator("#cards")).to_contain_text("302")
        expect(opened.locator("#groups")).to_contain_text("run_query")
        expect(opened.locator("#without-script")).to_contain_text("slowest requests")
        expect(opened.locator("#calls")).to_be_hidden()


def test_the_theme_can_be_chosen(chromium: Browser, recording: Path) -> None:
    with page(chromium, report(recording)) as opened:
        colour = "getComputedStyle(document.body).backgroundColor"
        light = opened.evaluate(colour)
        opened.get_by_role("button", name="Theme: system").click()
        opened.get_by_role("button", name="Theme: light").click()
        assert opened.evaluate(colour) != light
        opened.reload()
        expect(opened.get_by_role("button", name="Theme: dark")).to_be_visible()


def test_numbers_that_no_clock_gives_do_no_harm(chromium: Browser, recording: Path) -> None:
    odd = '{"kind":"interaction","seq":%d,"session":1,"at":%s,"ms":%s,"method":"odd","outcome":"cancelled"}\n'
    with recording.open("a") as file:
        for seq, (at, ms) in enumerate(
            [("1e999", "1e999"), ("-5", "-1e300"), ("1e300", "0"), ("0", "1e300")], 400
        ):
            file.write(odd % (seq, at, ms))
    with page(chromium, report(recording)) as opened:
        expect(opened.locator("#found")).to_contain_text("306 of 306")
        opened.get_by_label("Method").select_option("odd")
        expect(opened.locator("#found")).to_contain_text("4 of 306")


def test_50_000_requests_open_and_only_those_in_sight_are_elements(chromium: Browser, tmp_path: Path) -> None:
    with page(chromium, report(write(tmp_path / "big.jsonl", 50_000))) as opened:
        expect(opened.locator("#found")).to_contain_text("50,000 of 50,000 requests")
        assert opened.locator("#grid .body .row").count() < 60
        opened.locator("#grid").press("End")
        opened.locator("#grid").press("Enter")
        expect(opened.locator("#call-facts")).to_contain_text("seq 50000 ")
        expect(opened.locator("#call-body")).to_contain_text('"number": 50000')
