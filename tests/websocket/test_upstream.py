"""A server behind a WebSocket, as it should be and in every way that it may fail: told in one line."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import trustme
from fastmcp import Client
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

import mcptap
from mcptap.tap.link import websocket_client
from tests.clients.raw import Message, PipeClient, handshake
from tests.http.running import PATIENCE, mcptap_on_stdio, requests, server
from tests.http.test_bad_input import free_port
from tests.websocket.upstream import Answer, reply, upstream

MEGABYTE = 1_000_000


async def ended(client: PipeClient) -> tuple[int, list[str]]:
    """Leave mcptap; give its exit code and its lines on stderr."""
    client.close_stdin()
    code = await client.wait(PATIENCE)
    return code, client.stderr.strip().splitlines()


async def refused(url: str, *options: str, **more: Any) -> tuple[Message, str]:
    """What a client hears of a server that can't be reached, and the one line that the user gets."""
    async with mcptap_on_stdio("proxy", *options, "--url", url, **more) as client:
        answer = await handshake(client)
        code, lines = await ended(client)
        assert code == 4, lines
        (line,) = lines
        return answer, line


def refusing(status: int, headers: Any, seen: list[Request]) -> Callable[..., Response]:
    """Answers the opening handshake with an HTTP status."""

    def refuse(socket: ServerConnection, request: Request) -> Response:
        seen.append(request)
        return Response(status, HTTPStatus(status).phrase, Headers(headers), b"")

    return refuse


def test_headers_reach_the_opening_handshake_and_neither_password_nor_token_is_shown(tmp_path: Path) -> None:
    async def work() -> None:
        seen: list[Request] = []

        def look(socket: ServerConnection, request: Request) -> None:
            seen.append(request)

        cassette = tmp_path / "rec.jsonl"
        async with upstream(process_request=look) as url:
            secret = f"{url.replace('//', '//ada:hush-1@')}?token=hush-2"
            options = ["-o", str(cassette), "-H", "X-Api-Key: hush-3", "--url", secret]
            async with mcptap_on_stdio("record", *options) as client:
                await handshake(client)
                code, lines = await ended(client)
            assert code == 0
        (request,) = seen
        assert request.headers["x-api-key"] == "hush-3"
        assert request.headers["authorization"].startswith("Basic ")
        assert request.headers["sec-websocket-protocol"] == "mcp"
        assert request.path == "/ws?token=hush-2"
        assert "hush" not in cassette.read_text() + "".join(lines)
        header = json.loads(cassette.read_text().splitlines()[0])
        assert header["upstream"]["transport"] == "ws"

    asyncio.run(work())


@pytest.mark.parametrize(
    ("status", "what", "hint"),
    [
        (401, "answered 401 Unauthorized", "--header 'Authorization: Bearer"),
        (404, "answered 404 Not Found", "is this a WebSocket endpoint?"),
        (200, "answered 200 OK", "is this a WebSocket endpoint?"),
        (503, "answered 503 Service Unavailable", ""),
    ],
)
def test_a_server_that_refuses_the_upgrade(status: int, what: str, hint: str) -> None:
    async def work() -> None:
        async with upstream(process_request=refusing(status, {}, [])) as url:
            answer, line = await refused(url)
            for text in (answer.error["message"], line):
                assert f"{url} {what}" in text
                assert hint in text

    asyncio.run(work())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed_so_no_credentials_go_elsewhere(status: int) -> None:
    async def work() -> None:
        seen: list[Request] = []
        async with upstream(process_request=refusing(403, {}, seen)) as other:
            own: list[Request] = []
            async with upstream(process_request=refusing(status, {"location": other}, own)) as url:
                answer, line = await refused(url, "-H", "X-Api-Key: secret")
                assert f"to {other}: use that URL" in answer.error["message"]
                assert other in line
            assert own[0].headers["x-api-key"] == "secret"
        assert seen == []

    asyncio.run(work())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_that_is_not_there(host: str) -> None:
    async def work() -> None:
        url = f"ws://{host}:{free_port()}/ws"
        answer, line = await refused(url)
        assert f"{url} can't be reached: Connection refused" in answer.error["message"]
        assert line.endswith("is the server running, and the URL right?")

    asyncio.run(work())


def test_something_that_speaks_no_http() -> None:
    async def work() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"220 mail.example.com ESMTP\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as other:
            url = f"ws://127.0.0.1:{other.sockets[0].getsockname()[1]}/ws"
            _, line = await refused(url)
            assert f"{url} can't be reached: did not receive a valid HTTP response" in line

    asyncio.run(work())


def test_a_certificate_that_nobody_vouches_for_and_one_that_the_user_trusts(tmp_path: Path) -> None:
    async def work() -> None:
        authority = trustme.CA()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        trusted = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(trusted))
        async with upstream(ssl=tls) as url:
            for scheme in ("wss", "https"):
                there = url.replace("wss", scheme)
                _, line = await refused(there)
                assert f"{there} can't be reached: unable to get local issuer certificate" in line
            environment = {"SSL_CERT_FILE": str(trusted)}
            async with mcptap_on_stdio("proxy", "--url", url, env=environment) as client:
                assert (await handshake(client)).result["serverInfo"]["name"] == "scripted"
                assert (await ended(client))[0] == 0

    asyncio.run(work())


def test_a_server_of_another_subprotocol() -> None:
    async def work() -> None:
        def choose(socket: ServerConnection, offered: Any) -> Subprotocol:
            assert list(offered) == ["mcp"]
            return Subprotocol("chat")

        async with upstream(select_subprotocol=choose) as url:
            _, line = await refused(url)
            assert f"{url} does not speak the WebSocket subprotocol 'mcp'" in line

    asyncio.run(work())


def test_a_server_that_agrees_to_no_subprotocol_is_taken_as_it_is() -> None:
    async def work() -> None:
        async with upstream(subprotocols=None) as url, mcptap_on_stdio("proxy", "--url", url) as client:
            assert (await handshake(client)).result["serverInfo"]["name"] == "scripted"
            assert (await ended(client)) == (0, [])

    asyncio.run(work())


async def close_normally(socket: ServerConnection, request: Any) -> None:
    await socket.close()


async def close_with_a_reason(socket: ServerConnection, request: Any) -> None:
    await socket.close(1011, "out of \x1b[31mmemory")


async def vanish(socket: ServerConnection, request: Any) -> None:
    socket.transport.abort()


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (close_normally, "the server at URL closed the connection with code 1000"),
        (
            close_with_a_reason,
            r"the server at URL closed the connection with code 1011 ('out of \x1b[31mmemory')",
        ),
        (vanish, "the connection to URL broke"),
    ],
)
def test_a_connection_that_ends_in_the_middle_of_a_request(answer: Answer, what: str, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with (
            upstream(answer) as url,
            mcptap_on_stdio("record", "-o", cassette, "--url", url) as client,
        ):
            await handshake(client)
            expected = what.replace("URL", url)
            answers = await asyncio.gather(client.call("one"), client.call("two"))
            assert [each.error["code"] for each in answers] == [-32000, -32000]
            assert {each.error["message"] for each in answers} == {expected}
            assert await client.wait(PATIENCE) == 4  # there is nothing left to serve
            (line,) = [line for line in client.stderr.splitlines() if "recorded" not in line]
            assert line == f"mcptap: {expected}; see whether it still runs, and what it says"
        outcomes = [line.get("outcome") for line in requests(cassette) if line["method"] == "tools/call"]
        assert outcomes == ["unanswered", "unanswered"]

    asyncio.run(work())


def test_frames_that_are_no_messages_are_ignored_and_told_of_once() -> None:
    async def answer(socket: ServerConnection, request: dict[str, Any]) -> None:
        for frame in (b"binary", "not JSON", "[]", '[{"jsonrpc":"2.0"}]', "1", "{}", '{"id":1,"result":{}}'):
            await socket.send(frame)
        await reply(socket, request, {"content": []})

    async def work() -> None:
        async with upstream(answer) as url, mcptap_on_stdio("proxy", "--url", url) as client:
            await handshake(client)
            assert (await client.call("any")).result == {"content": []}
            code, lines = await ended(client)
            assert code == 0
            (line,) = lines
            assert f"{url} sent what is no message, ignored" in line

    asyncio.run(work())


def test_20_megabytes_both_ways(tmp_path: Path) -> None:
    async def answer(socket: ServerConnection, request: dict[str, Any]) -> None:
        await reply(socket, request, {"content": [], "structuredContent": request["params"]["arguments"]})

    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        arguments = {"text": "x" * (20 * MEGABYTE)}
        async with (
            upstream(answer) as url,
            mcptap_on_stdio("record", "-o", cassette, "--url", url) as client,
        ):
            await handshake(client)
            assert (await client.call("echo", arguments)).result["structuredContent"] == arguments
            assert (await ended(client))[0] == 0
        async with mcptap_on_stdio("replay", cassette) as client:
            await handshake(client)
            assert (await client.call("echo", arguments)).result["structuredContent"] == arguments

    asyncio.run(work())


def test_a_message_over_the_limit_ends_the_connection_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(socket: ServerConnection, request: dict[str, Any]) -> None:
        await reply(socket, request, {"content": [], "structuredContent": {"text": "x" * (2 * MEGABYTE)}})

    async def work() -> None:
        monkeypatch.setattr(websocket_client, "MAX_SIZE", 1 << 20)
        said: list[str] = []
        async with upstream(answer) as url:
            tap = mcptap.create_tap(url, report=said.append)
            with pytest.raises(Exception, match="sent a message of more than 1 MiB"):
                async with Client(tap, mode="legacy") as client:
                    await client.call_tool("any")
        assert "sent a message of more than 1 MiB" in said[0]

    asyncio.run(work())


@pytest.mark.parametrize("as_entry", [False, True])
def test_from_python_a_url_or_an_entry_is_enough(as_entry: bool) -> None:
    async def answer(socket: ServerConnection, request: dict[str, Any]) -> None:
        assert socket.request
        found = {"key": socket.request.headers.get("x-api-key")}
        await reply(socket, request, {"content": [], "structuredContent": found})

    async def work() -> None:
        async with upstream(answer) as url:
            headers = {"X-Api-Key": "key"}
            entry = {"url": url, "headers": headers}
            tap = mcptap.create_tap(entry) if as_entry else mcptap.create_tap(url, headers=headers)
            async with Client(tap, mode="legacy") as client:
                result = await client.call_tool_mcp("any", {})
                assert result.structured_content == {"key": "key"}

    asyncio.run(work())


@pytest.mark.parametrize("url", ["ws:///ws", "wss://:80/ws", "ws://127.0.0.1:port/ws"])
def test_a_url_that_is_none(url: str) -> None:
    async def work() -> None:
        async with mcptap_on_stdio("proxy", "--url", url) as client:
            assert await client.wait(PATIENCE) == 2
            assert client.stderr.count("\n") == 1
            assert f"{url!r} is no URL" in client.stderr

    asyncio.run(work())


def test_an_http_server_is_no_websocket() -> None:
    async def work() -> None:
        async with server("wire_http", "0") as running:
            _, line = await refused(f"{running.url.replace('http', 'ws')}/mcp")
            assert "is this a WebSocket endpoint?" in line

    asyncio.run(work())
