"""HTTP servers that aren't there, or aren't MCP: the client learns why, and so does the user."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients.raw import HttpClient, Message, handshake
from tests.http.running import MCPTAP, PATIENCE, mcptap, mcptap_on_stdio, server, started

SOON = 2.0
"""Seconds within which every command of mcptap ends."""


def free_port() -> int:
    """A port on which nobody listens; held by nobody, so only for what is to be refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def refused_over_stdio(*arguments: str) -> tuple[Message, int, list[str]]:
    """What a stdio client gets for its first request, mcptap's exit code and its lines on stderr."""
    async with mcptap_on_stdio(*arguments) as client:
        answer = await handshake(client)
        client.close_stdin()
        code = await client.wait(PATIENCE)
        return answer, code, client.stderr.strip().splitlines()


async def refused_over_http(*arguments: str) -> tuple[Message, int, list[str]]:
    """The same over an HTTP front."""
    async with mcptap(*arguments) as running:
        async with HttpClient(running.url) as client:
            answer = await handshake(client)
        code = await running.stop()
        return answer, code, [line for line in running.lines if "serving" not in line]


REFUSED = [
    ("html", "answered 200 OK with text/html", "is this the MCP endpoint?"),
    ("401", "answered 401 Unauthorized", "--header 'Authorization: Bearer"),
    ("500", "answered 500 Internal Server Error", ""),
]


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
@pytest.mark.parametrize("refused", [refused_over_stdio, refused_over_http])
@pytest.mark.parametrize(("mode", "what", "hint"), REFUSED)
def test_a_server_that_is_no_mcp_server(
    mode: str, what: str, hint: str, refused: Any, path: str, tmp_path: Path
) -> None:
    async def work() -> None:
        async with server("http_misbehaving", "0", mode) as upstream:
            url = upstream.url + path
            answer, code, lines = await refused("record", "-o", str(tmp_path / "rec.jsonl"), "--url", url)
            assert f"{url} {what}" in answer.error["message"]
            assert hint in answer.error["message"]
            assert code == 4
            told = [line for line in lines if what in line]
            assert len(told) == 1, lines
            assert hint in told[0]
            assert not any("Traceback" in line for line in lines)
            (line,) = json_lines(tmp_path / "rec.jsonl", "interaction")
            assert line["outcome"] == "unanswered"

    asyncio.run(work())


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
@pytest.mark.parametrize("refused", [refused_over_stdio, refused_over_http])
def test_a_server_that_is_not_there(refused: Any, path: str) -> None:
    async def work() -> None:
        url = f"http://127.0.0.1:{free_port()}{path}"
        answer, code, lines = await refused("proxy", "--url", url)
        assert f"{url} can't be reached" in answer.error["message"]
        assert code == 4
        assert len(lines) == 1
        assert f"{url} can't be reached" in lines[0]

    asyncio.run(work())


def test_a_stdio_client_may_stay_silent_when_the_server_is_not_there() -> None:
    async def work() -> None:
        url = f"http://127.0.0.1:{free_port()}/mcp"
        async with mcptap_on_stdio("proxy", "--url", url) as client:
            assert await client.wait(PATIENCE) == 4
            (line,) = client.stderr.strip().splitlines()
            assert "can't be reached" in line
            assert "is the server running" in line

    asyncio.run(work())


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
def test_a_redirect_to_another_origin_is_not_followed(path: str) -> None:
    async def work() -> None:
        async with server("http_misbehaving", "0", "redirect") as upstream:
            url = upstream.url + path
            secret = ["-H", "Authorization: Bearer secret", "-H", "X-Key: also-secret"]
            answer, code, _ = await refused_over_stdio("proxy", "--url", url, *secret)
            assert f"{url} answered 307" in answer.error["message"]
            assert "use that URL" in answer.error["message"]
            assert code == 4
            seen = [json.loads(line) for line in upstream.lines if '"headers"' in line]
            assert {request["mode"] for request in seen} == {"redirect"}
            sent = {name.lower(): value for name, value in seen[0]["headers"].items()}
            assert sent["authorization"] == "Bearer secret"
            assert sent["x-key"] == "also-secret"

    asyncio.run(work())


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_never_answers_does_not_hold_up_the_end(
    number: signal.Signals, path: str, tmp_path: Path
) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with server("http_misbehaving", "0", "slow") as upstream:
            target = ["--url", upstream.url + path]
            async with mcptap_on_stdio("record", "-o", str(cassette), *target) as client:
                asking = asyncio.create_task(handshake(client))
                await upstream.says('"method"')
                await begun(cassette)
                start = time.monotonic()
                client.process.send_signal(number)
                assert await client.wait(PATIENCE) == 0, client.stderr
                assert time.monotonic() - start < SOON
                with pytest.raises(ConnectionError):
                    await asking
                assert "Traceback" not in client.stderr
            (line,) = json_lines(cassette, "end", "interaction")
            assert line["outcome"] == "unanswered"

    asyncio.run(work())


def test_a_server_that_is_slow_is_waited_for_but_not_in_silence() -> None:
    async def work() -> None:
        async with server("http_misbehaving", "0", "slow") as upstream:
            url = f"{upstream.url}/mcp"
            async with mcptap("proxy", "--url", url) as running, HttpClient(running.url) as client:
                asking = asyncio.create_task(handshake(client))
                await running.says(rf"still waiting for {url} .*10 s")
                assert not asking.done()
                assert await running.stop() == 0
                assert len(running.lines) == 2
                await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(work())


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_a_port_in_use(transport: str) -> None:
    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            argv = [
                *MCPTAP,
                "proxy",
                "--transport",
                transport,
                "--port",
                port,
                "--url",
                "http://127.0.0.1:9/mcp",
            ]
            async with started(argv) as running:
                assert await running.exit_code() == 2
                (line,) = running.lines
                assert f"can't listen on 127.0.0.1:{port}" in line
                assert "--port 0" in line

    asyncio.run(work())


def test_an_sse_server_that_drops_the_stream(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with server("toolbox", "sse") as upstream:
            target = ["--url", f"{upstream.url}/sse"]
            async with mcptap_on_stdio("record", "-o", str(cassette), *target) as client:
                await handshake(client)
                pending = asyncio.create_task(client.call("slow", {"ms": 60_000}))
                await begun(cassette)
                upstream.process.kill()
                error = (await pending).error
                assert error["code"] == -32000
                assert f"{upstream.url}/sse" in error["message"]
                assert await client.wait(PATIENCE) == 4
                assert "Traceback" not in client.stderr
            assert [line["outcome"] for line in json_lines(cassette, "end")] == ["unanswered"]

    asyncio.run(work())


async def begun(cassette: Path) -> None:
    """Wait until a pending request stands in the cassette."""
    async with asyncio.timeout(PATIENCE):
        while not json_lines(cassette, "begin"):  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.05)


def json_lines(cassette: Path, *kinds: str) -> list[dict[str, Any]]:
    """The lines of a cassette of some kinds."""
    if not cassette.exists():
        return []
    whole = cassette.read_text().split("\n")[:-1]
    return [line for line in map(json.loads, whole) if line.get("kind") in kinds]
