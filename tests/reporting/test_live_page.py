"""Who may look at the live page, and what it tells: the application by itself."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from mcptap.cassette import format as lines
from mcptap.model import Event, Interaction
from mcptap.reporting.feed import Feed
from mcptap.reporting.live_page import PATH, LivePage
from tests.cassette import samples

pytestmark = pytest.mark.anyio
ORIGIN = "http://127.0.0.1:3000"


def client(page: LivePage, peer: str = "127.0.0.1", **headers: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(page, client=(peer, 1234))
    return httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)


def live_page(feed: Feed | None = None) -> LivePage:
    return LivePage(feed or Feed(), title="server", about="live", path=PATH)


@contextlib.asynccontextmanager
async def entered(page: LivePage) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(page) as inside:
        assert (await inside.get(page.address(ORIGIN))).status_code == 303
        yield inside


async def test_the_token_is_taken_out_of_the_address_and_becomes_a_cookie_that_no_script_sees() -> None:
    page = live_page()
    async with client(page) as inside:
        answer = await inside.get(page.address(ORIGIN))
        assert answer.headers["location"] == f"{PATH}/"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert f"path={PATH}/" in cookie
        shown = await inside.get(f"{PATH}/")
        assert shown.status_code == 200
        assert page.token not in shown.text
        assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]
        assert shown.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/events", "/call?id=0", "/?token=wrong", "/?token=", "/nothing"])
async def test_nobody_without_the_token_sees_anything(path: str) -> None:
    async with client(live_page(), cookie="mcptap-3000=wrong") as outside:
        answer = await outside.get(PATH + path)
    assert answer.status_code == 403
    assert "server" not in answer.text


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example:3000"}, 421),
        ({"host": ""}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
async def test_a_page_of_another_origin_gets_nothing_with_the_cookie(
    headers: dict[str, str], code: int
) -> None:
    async with entered(live_page()) as inside:
        assert (await inside.get(f"{PATH}/", headers=headers)).status_code == code


async def test_its_own_page_is_welcome_by_every_name_of_this_machine() -> None:
    async with entered(live_page()) as inside:
        for host in ("localhost:3000", "127.0.0.1:3000", "[::1]:3000", "LOCALHOST"):
            headers = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
            assert (await inside.get(f"{PATH}/", headers=headers)).status_code == 200


async def test_another_machine_gets_nothing() -> None:
    page = live_page()
    async with client(page, "192.0.2.1") as outside:
        assert (await outside.get(page.address(ORIGIN))).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_it_can_only_be_read(method: str) -> None:
    async with entered(live_page()) as inside:
        assert (await inside.request(method, f"{PATH}/")).status_code == 405


@pytest.mark.parametrize("number", ["", "-1", "99", "one", "\uff11", "../0"])
async def test_a_call_that_isn_t_there_is_not_found(number: str) -> None:
    async with entered(live_page()) as inside:
        assert (await inside.get(f"{PATH}/call", params={"id": number})).status_code == 404


def changes(feed: Feed, version: int) -> tuple[int, dict[str, Any]]:
    version, change = feed.since(version)
    return version, json.loads(change or b"{}")


def outcomes(change: dict[str, Any]) -> list[tuple[int, str]]:
    return [(row[1], row[8]) for row in change["rows"]]


async def test_a_call_is_told_when_it_comes_and_again_when_it_ends() -> None:
    feed = Feed()
    feed.append(lines.session_line(samples.SESSION))
    feed.append(lines.begin_line(samples.SPLIT))
    version, change = changes(feed, -1)
    assert outcomes(change) == [(2, "pending")]
    assert json.loads(feed.body(0) or b"")["call"]["params"] == {}
    feed.append(lines.interaction_line(samples.call(1)))
    feed.append(lines.event_line(2, samples.SPLIT.events[0]))
    version, change = changes(feed, version)
    assert outcomes(change) == [(2, "pending"), (1, "ok")]
    assert len(json.loads(feed.body(0) or b"")["call"]["events"]) == 1
    feed.append(lines.end_line(samples.SPLIT))
    version, change = changes(feed, version)
    assert outcomes(change) == [(2, "disconnected")]
    assert changes(feed, version) == (version, {})


async def test_what_an_earlier_run_has_left_open_is_unanswered() -> None:
    feed = Feed()
    feed.append(lines.begin_line(samples.SPLIT))
    again = replace(samples.SESSION, session=2, started_at="2026-11-23T00:00:00.000Z")
    feed.append(lines.session_line(again))
    feed.append(lines.begin_line(replace(samples.SPLIT, seq=3)))
    feed.append(lines.session_line(replace(again, session=3)))
    assert outcomes(changes(feed, -1)[1]) == [(2, "unanswered"), (3, "pending")]


async def test_only_the_latest_calls_are_kept_and_the_page_is_told() -> None:
    feed = Feed(most_calls=3)
    for seq in range(1, 11):
        feed.append(lines.interaction_line(samples.call(seq)))
    _, change = changes(feed, -1)
    assert [seq for seq, _ in outcomes(change)] == [8, 9, 10]
    assert (change["dropped"], feed.body(6), len(feed.rows())) == (7, None, 3)
    assert "The first 7 calls are no longer kept" in change["notices"][0]


async def test_many_bytes_leave_room_for_fewer_calls() -> None:
    feed = Feed(most_bytes=10_000)
    for seq in range(1, 30):
        feed.append(lines.interaction_line(samples.call(seq, answer="x" * 1000)))
    assert 5 < len(feed.rows()) < 10


async def test_an_endless_call_takes_no_endless_room() -> None:
    feed = Feed()
    feed.append(lines.begin_line(Interaction(1, 1, 0.0, "subscriptions/listen", {})))
    for number in range(3000):
        feed.append(lines.event_line(1, Event(float(number), "server", "notifications/message", {})))
    assert len(json.loads(feed.body(0) or b"")["call"]["events"]) == 1000
    assert feed.rows()[0].events == 3000
