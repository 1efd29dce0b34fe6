"""Recordings of HTTP servers as HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/).

A cassette keeps messages and no HTTP: each request is shown as the POST that carried it, without
headers, and each answer as its JSON. Times are those of the recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from mcptap import __version__, codec
from mcptap.model import CassetteHeader, Interaction, Record

HTTP: Final = ("http", "sse")
CREATOR: Final = {"name": "mcptap", "version": __version__}

_JSON: Final = "application/json"


class Recording(Protocol):
    """A cassette that can be read, past its damage or not."""

    @property
    def header(self) -> CassetteHeader:
        """Its first line."""

    def records(self) -> Iterator[Record]:
        """Its records; raises CassetteError."""


def came_over_http(header: CassetteHeader) -> bool:
    """Whether the server of a cassette was reached over HTTP, so that there is a URL."""
    return header.upstream is not None and header.upstream.transport in HTTP and bool(header.upstream.target)


def entries(cassettes: Sequence[Recording]) -> Iterator[dict[str, Any]]:
    """The entries of a HAR log, in the order of the cassettes; raises CassetteError."""
    for cassette in cassettes:
        upstream = cassette.header.upstream
        if upstream is None or not came_over_http(cassette.header):
            continue
        began = datetime.fromisoformat(cassette.header.recorded_at)
        for record in cassette.records():
            if isinstance(record, Interaction):
                yield _entry(record, began, upstream.target[0])


def _entry(interaction: Interaction, began: datetime, url: str) -> dict[str, Any]:
    try:
        arrived = began + timedelta(seconds=interaction.at)
    except OverflowError:  # a recording may have times that no clock gives
        arrived = began
    wait, blocked = interaction.ms or 0.0, interaction.proxy_ms or 0.0
    asked = {"method": interaction.method}
    if interaction.params is not None:
        asked["params"] = interaction.params  # type: ignore[assignment]
    request = _text({"jsonrpc": "2.0", "id": interaction.seq, **asked})
    return {
        "startedDateTime": arrived.isoformat(timespec="milliseconds"),
        "time": blocked + wait,
        "request": {
            "method": "POST",
            "url": url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [{"name": "content-type", "value": _JSON}],
            "queryString": [],
            "postData": {"mimeType": _JSON, "text": request},
            "headersSize": -1,
            "bodySize": len(request.encode("utf-8", "surrogatepass")),
        },
        "response": _response(interaction),
        "cache": {},
        "timings": {"blocked": blocked, "send": 0, "wait": wait, "receive": 0},
        "comment": f"{interaction.method}, session {interaction.session}, seq {interaction.seq}",
    }


def _response(interaction: Interaction) -> dict[str, Any]:
    if interaction.outcome is not None:
        status, text, body = 0, str(interaction.outcome), ""
    else:
        member = "result" if interaction.result is not None else "error"
        answer = interaction.result if interaction.result is not None else interaction.error
        status, text = 200, "OK"
        body = _text({"jsonrpc": "2.0", "id": interaction.seq, member: answer})
    size = len(body.encode("utf-8", "surrogatepass"))
    return {
        "status": status,
        "statusText": text,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [{"name": "content-type", "value": _JSON}] if body else [],
        "content": {"size": size, "mimeType": _JSON if body else "x-unknown", "text": body},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": size,
    }


def _text(message: dict[str, Any]) -> str:
    return codec.dumps(message).decode()
