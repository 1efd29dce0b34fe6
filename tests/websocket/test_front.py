"""The WebSocket front: who may come in, what each client has for its own, and how it all ends."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from mcptap.tap.link.websocket import WebSocketLink
from tests.clients.raw import handshake, spell
from tests.clients.websocket import SocketClient
from tests.http.running import PATIENCE, WIRE, interactions, mcptap
from tests.http.test_security import FOREIGN, assert_loopback
from tests.pairs.talk import answer_server as answer_elicitation
from tests.pairs.talk import talk
from tests.servers import first_sdk
from tests.servers.processes import ended

SOON = 2.0
MEGABYTE = 1_000_000


def client_of(url: str, **options: object) -> SocketClient:
    return SocketClient(url, **{"timeout": PATIENCE, **options})  # type: ignore[arg-type]


async def status_of(url: str, headers: Mapping[str, str], **options: object) -> int:
    """The HTTP status of the answer to an opening handshake: 101 where it opens."""
    try:
        async with client_of(url, headers=headers, **options):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def test_foreigners_are_refused_before_the_upgrade_and_reach_no_server() -> None:
    async def work() -> None:
        async with mcptap("proxy", "--", *WIRE, transport="ws") as running:
            port = httpx2.URL(running.url).port
            assert_loopback(running)
            for headers, status in FOREIGN:
                if "host" not in headers:  # the client makes its own Host
                    assert await status_of(running.url, headers) == status, headers
            assert running.children == []
            for origin in (f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
                assert await status_of(running.url, {"origin": origin}) == 101
            plain = running.url.replace("ws://", "http://")
            upgrade = {
                "connection": "upgrade",
                "upgrade": "websocket",
                "sec-websocket-version": "13",
                "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
            }
            async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
                assert (await http.get(plain)).status_code == 426
                for headers, status in FOREIGN:
                    for more in ({}, upgrade):
                        answer = await http.get(plain, headers={**more, **headers})
                        assert answer.status_code == status, headers

    asyncio.run(work())


def test_the_subprotocol_is_mcp_or_whatever_a_client_offers_that_offers_none() -> None:
    async def work() -> None:
        async with mcptap("proxy", "--", *WIRE, transport="ws") as running:
            for offered, agreed in (("mcp",), "mcp"), (("chat", "mcp"), "mcp"), ((), None):
                async with client_of(running.url, subprotocols=offered) as client:
                    assert client.subprotocol == agreed
                    assert "result" in (await handshake(client)).body
            assert await status_of(running.url, {}, subprotocols=("chat",)) == 400
            assert await status_of(f"{running.url}/other", {}) in {403, 404}

    asyncio.run(work())


def test_frames_that_are_no_messages_get_an_error_and_the_session_goes_on() -> None:
    async def work() -> None:
        async with (
            mcptap("proxy", "--", *WIRE, transport="ws") as running,
            client_of(running.url) as client,
        ):
            await handshake(client)
            expected: list[tuple[str | bytes, int]] = [
                (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', -32700),
                ("not JSON", -32700),
                ("", -32700),
                ('[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
                ("1", -32600),
                ('{"id":1,"method":"ping"}', -32600),
            ]
            heard = len(client.arrivals)
            for frame, _ in expected:
                await client.send(frame)
            assert (await client.request("ping")).result == {}
            errors = [message for message in client.arrivals[heard:] if "error" in message.body]
            assert [int(message.error["code"]) for message in errors] == [code for _, code in expected]
            assert {message.id for message in errors} == {None}

    asyncio.run(work())


def test_each_socket_has_its_own_server_until_it_is_closed() -> None:
    async def work() -> None:
        async with mcptap("proxy", "--", *WIRE, transport="ws") as running:
            async with client_of(running.url) as one:
                await handshake(one)
                (own,) = running.children
                async with client_of(running.url) as other:
                    await handshake(other)
                    (others,) = set(running.children) - {own}
                    for expected in (1, 2):
                        counted = (await one.call("counter")).result["structuredContent"]["count"]
                        assert counted == expected
                    assert (await other.call("counter")).result["structuredContent"]["count"] == 1
                    await one.call("change")
                    await one.arrived("notifications/resources/updated")
                    assert (await other.request("ping")).result == {}
                    assert other.notifications == []
                await ended(others)
                assert (await one.call("counter")).result["structuredContent"]["count"] == 3
            await ended(own)
            assert await running.stop() == 0

    asyncio.run(work())


def test_a_client_whose_server_dies_is_told_and_closed_and_the_next_one_is_served(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with mcptap("record", "-o", cassette, "--", *WIRE, transport="ws") as running:
            async with client_of(running.url) as bystander, client_of(running.url) as client:
                await handshake(bystander)
                await handshake(client)
                pending = asyncio.create_task(client.call("never"))
                last = await client.call("die", {"code": 3})
                assert last.error["code"] == -32000
                assert "exited with code 3" in last.error["message"]
                assert (await pending).error == last.error
                assert await client.ended() == (1011, "the server is gone")
                assert (await bystander.request("ping")).result == {}
            async with client_of(running.url) as again:
                assert "result" in (await handshake(again)).body
            assert await running.stop() == 4

    asyncio.run(work())


def test_a_server_that_is_not_there_is_told_to_each_client_and_the_front_stays() -> None:
    async def work() -> None:
        target = "ws://127.0.0.1:1/ws"
        async with mcptap("proxy", "--url", target, transport="ws") as running:
            for _ in range(2):
                async with client_of(running.url) as client:
                    answer = await handshake(client)
                    assert f"{target} can't be reached: Connection refused" in answer.error["message"]
                    assert await client.ended() == (1011, "the server is gone")
            assert await running.stop() == 4
            assert len([line for line in running.lines if "can't be reached" in line]) == 1

    asyncio.run(work())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_busy_front(number: signal.Signals, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with (
            mcptap("record", "-o", cassette, "--", *WIRE, transport="ws") as running,
            client_of(running.url) as client,
        ):
            await handshake(client)
            pending = asyncio.create_task(client.call("never"))
            assert (await client.request("ping")).result == {}
            (child,) = running.children
            start = time.monotonic()
            assert await running.stop(number) == 0, running.text
            assert time.monotonic() - start < SOON
            await ended(child)
            code, _ = await client.ended()
            assert code == 1012
            with pytest.raises(ConnectionError):
                await pending
        outcomes = {line["method"]: line.get("outcome") for line in interactions(cassette)}
        assert outcomes["tools/call"] == "unanswered"
        assert "Traceback" not in running.text

    asyncio.run(work())


def test_a_client_that_leaves_in_the_middle_takes_its_request_along(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with mcptap("record", "-o", cassette, "--", *WIRE, transport="ws") as running:
            async with client_of(running.url) as client:
                await handshake(client)
                pending = asyncio.create_task(client.call("never"))
                assert (await client.request("ping")).result == {}
                (child,) = running.children
            await ended(child)
            with pytest.raises(ConnectionError):
                await pending
            assert await running.stop() == 0
        outcomes = {line["method"]: line.get("outcome") for line in interactions(cassette)}
        assert outcomes["tools/call"] == "disconnected"

    asyncio.run(work())


def test_20_megabytes_both_ways() -> None:
    async def work() -> None:
        arguments = {"text": "x" * (20 * MEGABYTE)}
        async with (
            mcptap("proxy", "--", *WIRE, transport="ws") as running,
            client_of(running.url, era="modern") as client,
        ):
            answer = await client.call("echo", arguments)
            assert answer.result["structuredContent"]["arguments"] == arguments

    asyncio.run(work())


def test_a_message_over_the_limit_closes_the_connection() -> None:
    async def work() -> None:
        async with (
            mcptap("proxy", "--", *WIRE, transport="ws") as running,
            connect(running.url, proxy=None) as socket,
        ):
            head = bytes([0x81, 0xFF]) + (1 << 30).to_bytes(8, "big") + bytes(4)
            socket.transport.write(head)  # a frame that announces 1 GiB
            await socket.wait_closed()
            assert socket.close_code == 1009

    asyncio.run(work())


def test_the_client_of_the_first_sdk_gets_what_it_gets_without_mcptap() -> None:
    async def got(url: str) -> dict[str, object]:
        argv = first_sdk.command("client.py", url)
        process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
        stdout, _ = await process.communicate()
        assert process.returncode == 0
        found: dict[str, object] = json.loads(stdout)
        return found

    async def work() -> None:
        from tests.pairs.ends import real_server  # noqa: PLC0415 - imports FastMCP

        async with real_server("ws", "handshake") as server:
            assert isinstance(server, str)
            direct = await got(server)
            async with mcptap("proxy", "--url", server, transport="ws") as running:
                assert await got(running.url) == direct
                async with client_of(running.url, on_request=answer_elicitation) as client:
                    assert len(await talk(client)) >= 15

    asyncio.run(work())


@pytest.mark.anyio
async def test_a_slow_reader_is_waited_for_and_order_is_kept() -> None:
    may_send, first_sent, sent = asyncio.Semaphore(0), asyncio.Event(), []

    async def send_text(text: str) -> None:
        await may_send.acquire()
        sent.append(text)
        first_sent.set()

    link = WebSocketLink(send_text)
    frames = [{"jsonrpc": "2.0", "id": number, "result": {"text": "x" * 100_000}} for number in range(4)]
    async with link.writing():
        link.send(frames[0])
        await link.drain()  # little is waiting
        for frame in frames[1:]:
            link.send(frame)
        draining = asyncio.create_task(link.drain())
        may_send.release()
        await first_sent.wait()
        assert not draining.done()
        for _ in frames[1:]:
            may_send.release()
        await draining
    assert sent == [spell(frame) for frame in frames]
