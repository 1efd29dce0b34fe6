"""The formats of other tools, each as its own version 0.4.0 (both mcp-cassettes), 0.5.0 and 0.1.1 writes it.

Every function takes what a file holds and raises ValueError with a reason in plain words where that is
not what the format demands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mcptap.cassette import members
from mcptap.importing.transcript import Said, Transcript, is_id, is_message, moment
from mcptap.importing.unmasking import unmasked
from mcptap.model import Json, Side

_NEWEST_PYPI_CASSETTE: Final = 3
_NEWEST_NPM_CASSETTE: Final = 2
_RECORDER_VERSION: Final = "1."
_SIDES: Final[dict[str, Side]] = {
    "client": "client",
    "c2s": "client",
    "client->server": "client",
    "server": "server",
    "s2c": "server",
    "server->client": "server",
}
"""What the tools call the two sides and directions."""


def mcp_cassette_pypi(document: Json) -> Transcript:
    """PyPI's mcp-cassette: one JSON object with ``messages``; over HTTP each knows its exchange.

    It says when the file was written, so the beginning is the time of the last message before that.
    """
    if members.whole_number(document, "format_version") > _NEWEST_PYPI_CASSETTE:
        raise ValueError("its format is newer than mcptap knows")
    said: list[Said] = []
    asking: dict[float | None, Any] = {}
    passed_over = opened = 0
    for entry in members.objects(document, "messages"):
        at, side = members.number(entry, "t_offset_ms") / 1000, _side(entry, "sender")
        exchange = members.optional_number(entry, "exchange")
        message, masked = unmasked(entry.get("payload"))
        opened += masked
        if not is_message(message):
            passed_over += 1
            continue
        if side == "client" and exchange is not None and "method" in message:
            asking[exchange] = message.get("id")
        get = entry.get("channel") == "get"
        stream = asking.get(exchange) if side == "server" and not get else None
        said.append(Said(at, side, message, stream, outside=side == "server" and get))
    written = moment(members.text(document, "recorded_at"))
    info = members.optional_object(document, "server_info") or {}
    url = members.optional_text(document, "server_url")
    return Transcript(
        tool="mcp-cassette (PyPI)",
        began=written - timedelta(seconds=max((each.at for each in said), default=0.0)),
        transport=members.optional_text(document, "transport") or "stdio",
        target=(url,) if url else (),
        said=said,
        name=members.optional_text(info, "name"),
        passed_over=passed_over,
        opened=opened,
    )


def mcp_cassette_npm(header: Json, entries: Sequence[Json]) -> Transcript:
    """Npm's mcp-cassette: a header, then a frame a line; what came on one HTTP stream stands in one line."""
    if members.whole_number(header, "cassetteVersion") > _NEWEST_NPM_CASSETTE:
        raise ValueError("its format is newer than mcptap knows")
    said: list[Said] = []
    passed_over = 0
    for entry in entries:
        kind = entry.get("type")
        found = []
        if kind == "frame":
            found = [Said(_seconds(entry, "t"), _side(entry, "dir"), entry.get("frame") or {})]
        elif kind == "chunks":
            found = list(_chunks(entry))
        messages = [each for each in found if is_message(each.message)]
        passed_over += len(found) - len(messages) if kind in ("frame", "chunks") else 1
        said += messages
    url = members.optional_text(header, "url")
    return Transcript(
        tool="mcp-cassette (npm)",
        began=moment(members.text(header, "startedAt")),
        transport=members.text(header, "transport"),
        target=(url,) if url else members.texts(header, "command"),
        said=sorted(said, key=lambda each: each.at),  # a stream stands where it was closed
        passed_over=passed_over,
    )


def _chunks(entry: Json) -> Iterator[Said]:
    stream = entry.get("id") if is_id(entry.get("id")) else None
    for chunk in members.objects(entry, "chunks"):
        message = chunk.get("frame") or {}
        yield Said(_seconds(chunk, "t"), _side(entry, "dir"), message, stream, outside=stream is None)


def mcp_recorder(document: Json) -> Transcript:
    """mcp-recorder: one JSON object with ``interactions``, which knows how long each took but not when."""
    if not members.text(document, "version").startswith(_RECORDER_VERSION):
        raise ValueError("its format is newer than mcptap knows")
    metadata = members.optional_object(document, "metadata") or {}
    said: list[Said] = []
    now, passed_over = 0.0, 0
    for entry in members.objects(document, "interactions"):
        request = members.optional_object(entry, "request") or {}
        response = members.optional_object(entry, "response") or {}
        if is_message(request):
            said.append(Said(now, "client", request))
            now += members.number(entry, "latency_ms") / 1000
            if is_message(response):
                # Of a stream it keeps the first message only, which need not be the answer.
                said.append(Said(now, "server", response, request.get("id")))
        elif entry.get("type") != "lifecycle":  # HTTP without a message
            passed_over += 1
    url = members.optional_text(metadata, "server_url")
    info = members.optional_object(metadata, "server_info") or {}
    return Transcript(
        tool="mcp-recorder",
        began=moment(members.text(metadata, "recorded_at")),
        transport="stdio" if metadata.get("transport_type") == "stdio" else "http",
        target=(url,) if url else (),
        said=said,
        name=members.optional_text(info, "name"),
        passed_over=passed_over,
    )


def mcp_rec(entries: Sequence[Json]) -> Transcript:
    """mcp-rec: a message a line; a file may hold several runs, one after the other."""
    began = members.number(entries[0], "ts")
    said: list[Said] = []
    passed_over = 0
    for entry in entries:
        at, message = members.number(entry, "ts") - began, entry.get("msg")
        batch = message if isinstance(message, list) else [message]
        messages = [Said(at, _side(entry, "dir"), each) for each in batch if is_message(each)]
        passed_over += len(batch) - len(messages)
        said += messages
    return Transcript(
        tool="mcp-rec",
        began=datetime.fromtimestamp(began, UTC),
        transport="stdio",
        target=(),
        said=said,
        passed_over=passed_over,
    )


def _side(entry: Json, name: str) -> Side:
    side = _SIDES.get(members.text(entry, name))
    if side is None:
        raise ValueError(f"its {name!r} names no side")
    return side


def _seconds(entry: Json, name: str) -> float:
    return members.number(entry, name) / 1000
