"""Only pages and programs of this machine reach a front, unless the user says otherwise."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Mapping

import httpx2
import psutil
import pytest

from tests.clients.raw import CLIENT_INFO, HttpClient, handshake, spell
from tests.http.running import WIRE, Process, mcptap, started

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT_INFO},
}
IN_PYTHON = """
import sys
from mcptap.tap.creating import create_tap
create_tap([sys.executable, "-m", "tests.servers.wire"]).run(transport=sys.argv[1], port=int(sys.argv[2]))
"""
FOREIGN: list[tuple[Mapping[str, str], int]] = [
    ({"host": "evil.example"}, 421),
    ({"host": "evil.example:80", "origin": "http://evil.example"}, 421),
    ({"origin": "http://evil.example"}, 403),
    ({"origin": "null"}, 403),
]


async def refuses_foreigners(url: str, *, stream: bool) -> None:
    """Foreign Host and Origin are refused for every method; the machine's own are served."""
    port = httpx2.URL(url).port
    kinds = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        for headers, status in FOREIGN:
            for method in ("GET", "POST", "DELETE"):
                body = spell(INITIALIZE).encode() if method == "POST" else None
                answer = await client.request(method, url, content=body, headers={**kinds, **headers})
                assert answer.status_code == status, (method, headers)
        for headers in ({"host": f"localhost:{port}"}, {"origin": f"http://127.0.0.1:{port}"}):
            method = "GET" if stream else "POST"
            sent = {**kinds, **headers}
            async with client.stream(method, url, content=spell(INITIALIZE), headers=sent) as response:
                assert response.status_code == 200, headers


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_foreigners_are_refused_by_the_command(transport: str) -> None:
    async def work() -> None:
        async with mcptap("proxy", "--", *WIRE, transport=transport) as running:
            await refuses_foreigners(running.url, stream=transport == "sse")
            assert_loopback(running)
            assert running.url.startswith("http://127.0.0.1:")

    asyncio.run(work())


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_foreigners_are_refused_by_the_python_interface(transport: str) -> None:
    async def work() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        async with started([sys.executable, "-c", IN_PYTHON, transport, str(port)]) as running:
            await running.says("running on")
            url = f"http://127.0.0.1:{port}/{'sse' if transport == 'sse' else 'mcp'}"
            await refuses_foreigners(url, stream=transport == "sse")
            assert_loopback(running)

    asyncio.run(work())


def test_messages_of_an_sse_session_are_guarded_too() -> None:
    async def work() -> None:
        async with mcptap("proxy", "--", *WIRE, transport="sse") as running:
            url = running.url.replace("/sse", "/messages/?session_id=" + "0" * 32)
            async with httpx2.AsyncClient(trust_env=False) as client:
                assert (await client.post(url, headers={"host": "evil.example"})).status_code == 421
                assert (await client.post(url, headers={"origin": "http://evil.example"})).status_code == 403
                kind = {"content-type": "application/json"}
                assert (await client.post(url, headers=kind)).status_code == 404

    asyncio.run(work())


def test_a_foreigner_reaches_no_server() -> None:
    async def work() -> None:
        async with mcptap("proxy", "--", *WIRE) as running:
            async with HttpClient(running.url, headers={"origin": "http://evil.example"}) as client:
                assert (await handshake(client)).status == 403
            assert running.children == []

    asyncio.run(work())


def assert_loopback(running: Process) -> None:
    """Nothing but the loopback is listened on."""
    process = psutil.Process(running.process.pid)
    hosts = {each.laddr.ip for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
    assert hosts == {"127.0.0.1"}
