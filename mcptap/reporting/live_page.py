"""The page over HTTP, for one person on this machine: read-only, behind a token, from this origin alone."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from mcptap.reporting.feed import Feed
from mcptap.reporting.page import Page, html_of, policy

PATH: Final = "/_mcptap"
"""Where the page is on a front that serves something else too."""

_TICK: Final = 0.1
_TICKS_OF_SILENCE: Final = 100
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HEADERS: Final = {
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_TO_A_STRANGER: Final = "Open the address that mcptap printed: it holds the token of this run."


class LivePage:
    """An ASGI application: the page, what it asks for, and nothing that changes anything.

    Args:
        feed: What it shows.
        title: What the server is called.
        about: A line about it.
        path: Where it is, without a slash at the end.

    Attributes:
        token: Whoever knows it may look.
    """

    def __init__(self, feed: Feed, *, title: str, about: str, path: str = "") -> None:
        self.token = secrets.token_urlsafe(32)
        self._feed = feed
        self._title = title
        self._about = about
        self._path = path

    def address(self, origin: str) -> str:
        """The address to open, with the token; ``origin`` is ``http://HOST:PORT``."""
        return f"{origin}{self._path}/?token={self.token}"

    def before(self, app: Any) -> Any:
        """An ASGI application that answers at this page's path, and leaves the rest to ``app``."""

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            path = scope.get("path", "")
            own = scope["type"] == "http" and (path == self._path or path.startswith(f"{self._path}/"))
            await (self if own else app)(scope, receive, send)

        return answer

    def close(self) -> None:
        """Tell whoever looks that nothing follows."""
        self._feed.close()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        response = self._answer(Request(scope, receive))
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        refusal = _refusal(request)
        if refusal is not None:
            return refusal
        where = request.url.path.removeprefix(self._path)
        if where in {"", "/"} and request.url.query:
            return self._enter(request)
        if not self._may_look(request):
            return PlainTextResponse(_TO_A_STRANGER, 403)
        match where:
            case "/":
                return self._page()
            case "":
                return RedirectResponse(f"{self._path}/", 307)
            case "/events":
                return StreamingResponse(self._events(), media_type="text/event-stream")
            case "/call":
                return self._call(request.query_params.get("id", ""))
        return PlainTextResponse("There is nothing here.", 404)

    def _enter(self, request: Request) -> Response:
        """Take the token out of the address and give it back as a cookie, which no script can read."""
        given = parse_qs(request.url.query).get("token", [""])[0]
        if not self._is_token(given):
            return PlainTextResponse(_TO_A_STRANGER, 403)
        response = RedirectResponse(f"{self._path}/", 303)
        response.set_cookie(
            _cookie_name(request), self.token, path=f"{self._path}/", httponly=True, samesite="strict"
        )
        return response

    def _may_look(self, request: Request) -> bool:
        cookies = SimpleCookie(request.headers.get("cookie", ""))
        cookie = cookies.get(_cookie_name(request))
        return cookie is not None and self._is_token(cookie.value)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode())

    def _page(self) -> Response:
        page = Page(
            self._title,
            self._about,
            self._feed.summary(),
            rows=self._feed.rows(),
            notices=self._feed.notices(),
            live=True,
        )
        header = f"{policy(live=True)}; frame-ancestors 'none'"
        return HTMLResponse(html_of(page), headers={"content-security-policy": header})

    def _call(self, number: str) -> Response:
        body = self._feed.body(int(number)) if number.isascii() and number.isdigit() else None
        if body is None:
            return PlainTextResponse("There is no such call.", 404)
        return Response(body, media_type="application/json")

    async def _events(self) -> AsyncIterator[bytes]:
        """Server-sent events: everything at first, and then what changes, at most ten times a second."""
        run, version, silent = -1, -1, 0
        while not self._feed.closed:
            if run != self._feed.run:
                run, version = self._feed.run, -1
                yield b"event: reset\ndata: {}\n\n"
            version, change = self._feed.since(version)
            if change is not None:
                silent = 0
                yield b"event: rows\ndata: " + change + b"\n\n"
            elif (silent := silent + 1) % _TICKS_OF_SILENCE == 0:
                yield b": still here\n\n"
            await anyio.sleep(_TICK)
        yield b"event: over\ndata: {}\n\n"


def _refusal(request: Request) -> Response | None:
    """The answer to a request that nobody on this machine can have meant, whatever token it has."""
    if request.method not in {"GET", "HEAD"}:
        return PlainTextResponse("This page only shows.", 405, {"allow": "GET, HEAD"})
    if request.client is not None and not _is_loopback(request.client.host):
        return PlainTextResponse("This page is for this machine alone.", 403)
    host = request.headers.get("host", "")
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.lower() not in _LOOPBACK_NAMES:
        return PlainTextResponse("Misdirected Request", 421)
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "none")
    followed = request.headers.get("sec-fetch-mode") == "navigate"  # a link, which shows its reader the page
    if (origin is not None and origin != f"http://{host}") or not (
        followed or site in {"none", "same-origin"}
    ):
        return PlainTextResponse("Forbidden Origin", 403)
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _cookie_name(request: Request) -> str:
    # A browser gives cookies to every port of a host: two pages must not take each other's.
    server = request.scope.get("server") or ("", 0)
    return f"mcptap-{server[1]}"
