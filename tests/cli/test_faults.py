"""What goes wrong on purpose, as a client sees it: on a pipe, over HTTP, replayed and live."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp import Client, FastMCP
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from mcptap.cassette.reader import open_cassette
from mcptap.tap.creating import create_tap
from tests.cli.running import environment, mcptap
from tests.cli.weather import asked, write_weather
from tests.clients.raw import HttpClient, PipeClient, handshake
from tests.http.running import ROOT
from tests.http.running import mcptap as serving

pytestmark = pytest.mark.anyio

SERVER = """
from fastmcp import FastMCP
server = FastMCP("weather")
@server.tool
def weather(city: str, at: int) -> str:
    return f"{city} is live"
server.run(show_banner=False)
"""
BERLIN = {"name": "weather", "arguments": asked("Berlin", 1)}
ROUGH = {"code": -32000, "message": "rough"}
SUNNY = {"content": [{"type": "text", "text": "sunny"}]}
HEADERS = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2025-11-25",
}


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    return write_weather(tmp_path / "weather.jsonl")


def on_a_pipe(verb: str, *arguments: str | Path) -> PipeClient:
    argv = [sys.executable, "-m", "mcptap", verb, *map(str, arguments)]
    return PipeClient(argv, env=environment())


async def outcomes(client: PipeClient, count: int) -> list[str]:
    found = []
    for _ in range(count):
        answer = await client.request("tools/call", BERLIN)
        found.append("error" if "error" in answer.body else "ok")
    return found


async def test_a_seed_gives_the_same_run_again_and_is_printed(cassette: Path) -> None:
    fault = "tools/call:weather error=-32000 message=rough p=0.5"
    runs = []
    for options in (["--seed", "7"], ["--seed", "7"], ["--seed", "8"]):
        async with on_a_pipe("replay", cassette, "--fault", fault, *options) as client:
            await handshake(client)
            runs.append(await outcomes(client, 20))
            client.close_stdin()
            assert await client.wait() == 0
            assert f"with --seed {options[1]}" in client.stderr
            assert f"{runs[-1].count('error')} requests went wrong on purpose" in client.stderr
    assert runs[0] == runs[1] != runs[2]
    assert set(runs[0]) == {"ok", "error"}


async def test_an_error_is_the_one_that_was_named_and_others_go_well(cassette: Path) -> None:
    async with on_a_pipe("replay", cassette, "--fault", "tools/call error=-32000 message=rough") as client:
        assert "result" in (await handshake(client)).body
        assert (await client.request("tools/call", BERLIN)).body["error"] == ROUGH


async def test_a_request_that_hangs_can_be_cancelled_and_holds_up_nothing(cassette: Path) -> None:
    async with on_a_pipe("replay", cassette, "--fault", "tools/call hang") as client:
        await handshake(client)
        await client.send_line(
            json.dumps({"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": BERLIN})
        )
        await client.request("ping")
        await client.notify("notifications/cancelled", {"requestId": 77})
        await client.request("ping")
        client.close_stdin()
        assert await client.wait() == 0
        assert not any(message.body.get("id") == 77 for message in client.arrivals)


@pytest.mark.parametrize(
    ("fault", "is_left"), [("truncate", lambda whole: whole[: len(whole) // 2]), ("malformed", None)]
)
async def test_a_broken_frame_is_a_line_that_is_no_json_and_what_follows_is_whole(
    cassette: Path, fault: str, is_left: Any
) -> None:
    async with on_a_pipe("replay", cassette, "--fault", f"tools/call {fault}") as client:
        await handshake(client)
        await client.send_line(
            json.dumps({"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": BERLIN})
        )
        await client.request("ping")
        while not client.rubbish:
            await client.request("ping")
        (line,) = client.rubbish
        with pytest.raises(ValueError, match=r"."):
            json.loads(line)
        if is_left is not None:
            whole = json.dumps({"jsonrpc": "2.0", "id": 77, "result": SUNNY}, separators=(",", ":"))
            assert line == is_left(whole)


async def test_a_slow_answer_comes_whole_and_before_those_after_it(cassette: Path) -> None:
    async with on_a_pipe("replay", cassette, "--fault", "tools/call slow=400B/s") as client:
        await handshake(client)
        answer = await client.request("tools/call", BERLIN)
        assert answer.body["result"] == SUNNY
        assert "result" in (await client.request("ping")).body


async def test_a_disconnect_ends_the_pipe(cassette: Path) -> None:
    async with on_a_pipe("replay", cassette, "--fault", "tools/call disconnect") as client:
        await handshake(client)
        with pytest.raises(ConnectionError):
            await client.request("tools/call", BERLIN)
        assert await client.wait() == 0


async def test_a_live_server_goes_wrong_as_well(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    fault = ["--fault", "tools/call error=-32000 message=rough p=0.5", "--seed", "3"]
    async with on_a_pipe("proxy", *fault, "--", sys.executable, tmp_path / "server.py") as client:
        await handshake(client)
        assert set(await outcomes(client, 12)) == {"ok", "error"}


async def test_what_mcptap_does_wrong_is_not_recorded_as_the_server_s_doing(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    faults = ["--fault", "tools/call error=-32000 p=0.5", "--fault", "tools/call truncate", "--seed", "3"]
    recorded = tmp_path / "live.jsonl"
    async with on_a_pipe(
        "record", "-o", recorded, *faults, "--", sys.executable, tmp_path / "server.py"
    ) as client:
        await handshake(client)
        for number in range(8):
            call = {"jsonrpc": "2.0", "id": f"c{number}", "method": "tools/call", "params": BERLIN}
            await client.send_line(json.dumps(call))
        while len(client.rubbish) + sum("error" in message.body for message in client.arrivals) < 8:
            await client.request("ping")
        broken = len(client.rubbish)
        client.close_stdin()
        await client.wait()
    calls = [each for each in open_cassette(recorded).interactions() if each.method == "tools/call"]
    assert 0 < len(calls) == broken < 8
    assert all(each.result and "is live" in str(each.result) for each in calls)


# Over HTTP


async def answered(url: str) -> httpx2.Response:
    body = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": BERLIN}
    async with httpx2.AsyncClient(timeout=60) as client:
        opening = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "c", "version": "1"},
        }
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening}
        opened = await client.post(url, json=hello, headers=HEADERS)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        return await client.post(url, json=body, headers=HEADERS | session)


def payload(response: httpx2.Response) -> str:
    lines = [line for line in response.text.splitlines() if line.startswith("data: {")]
    return lines[-1].removeprefix("data: ") if lines else response.text


@pytest.mark.parametrize("fault", ["truncate", "malformed"])
async def test_a_broken_frame_over_http_is_a_whole_answer_that_is_no_json(cassette: Path, fault: str) -> None:
    async with serving("replay", cassette, "--fault", f"tools/call {fault}") as running:
        response = await answered(f"{running.url}")
        assert response.status_code == 200
        with pytest.raises(ValueError, match=r"."):
            json.loads(payload(response))


async def test_a_slow_answer_over_http_comes_whole(cassette: Path) -> None:
    async with serving("replay", cassette, "--fault", "tools/call slow=800B/s") as running:
        assert json.loads(payload(await answered(running.url)))["result"] == SUNNY


async def test_a_disconnect_over_http_ends_the_answer_before_its_end(cassette: Path) -> None:
    async with serving("replay", cassette, "--fault", "tools/call disconnect") as running:
        with pytest.raises(httpx2.RemoteProtocolError):
            await answered(running.url)
        with pytest.raises(httpx2.RemoteProtocolError):  # and mcptap serves the next client
            await answered(running.url)


# What is asked for


async def test_faults_and_their_seed_stand_in_a_file(cassette: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.mcptap]\nseed = 11\nfaults = [{on = "tools/call", error = -32000, message = "rough"}]\n'
    )
    async with on_a_pipe("replay", cassette, "--fault-file", tmp_path / "pyproject.toml") as client:
        await handshake(client)
        assert (await client.request("tools/call", BERLIN)).body["error"] == ROUGH
        assert "with --seed 11" in client.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--fault", "tools/call explode"], "explode is nothing that a fault can do"),
        (["--fault", "tools/call hang p=2"], "p=2 is no probability from 0 to 1"),
        (["--seed", "1"], "--seed goes with --fault or --fault-file"),
        (["--fault-file", "none.toml"], "none.toml can't be read"),
        (["--fault-file", "bad.toml"], "bad.toml is no TOML"),
        (["--fault-file", "empty.toml"], "empty.toml has no list of faults"),
        (["--fault", "* truncate", "--transport", "sse"], "over legacy SSE no frame can be broken"),
    ],
)
def test_what_is_no_fault_is_one_line_and_exit_code_2(
    cassette: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], says: str
) -> None:
    monkeypatch.chdir(cassette.parent)
    Path("bad.toml").write_text("faults = [")
    Path("empty.toml").write_text("seed = 1")
    run = mcptap("replay", cassette, *options)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert says in run.stderr


@pytest.mark.parametrize("fault", ["truncate", "malformed", "disconnect", "slow=2kB/s"])
async def test_a_modern_client_over_http_sees_them_too(cassette: Path, fault: str) -> None:
    recorded = ROOT / "recordings/time.jsonl"
    async with serving("replay", recorded, "--fault", f"server/discover {fault}") as running:
        client = HttpClient(running.url, era="modern")
        await client.start()
        try:
            if fault.startswith("slow"):
                assert (await handshake(client)).body["result"]["supportedVersions"] == ["2026-07-28"]
            else:
                with pytest.raises((ValueError, httpx2.RemoteProtocolError, ConnectionError, AssertionError)):
                    assert "result" in (await handshake(client)).body
        finally:
            await client.close()


# Over WebSocket, and in memory


@pytest.mark.parametrize("fault", ["truncate", "malformed", "disconnect", "slow=4kB/s"])
async def test_a_websocket_client_sees_them_too(cassette: Path, fault: str) -> None:
    call = json.dumps({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": BERLIN})
    async with (
        serving("replay", cassette, "--fault", f"tools/call {fault}", transport="ws") as running,
        connect(running.url, proxy=None, subprotocols=[Subprotocol("mcp")]) as socket,
    ):
        await socket.send(call)
        if fault == "disconnect":
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        elif fault.startswith("slow"):
            assert json.loads(await socket.recv())["result"] == SUNNY
        else:
            with pytest.raises(ValueError, match=r"."):
                json.loads(await socket.recv())


async def test_in_memory_a_frame_passes_whole_and_that_is_said() -> None:
    lines: list[str] = []
    server = FastMCP("weather")
    server.tool(lambda city: f"{city} is live", name="weather")
    tap = create_tap(server, faults=["tools/call truncate"], seed=1, report=lines.append)
    async with Client(tap) as client:
        answer = await client.call_tool("weather", {"city": "Rome"})
        assert [getattr(block, "text", None) for block in answer.content] == ["Rome is live"]
    assert lines[0] == "faults by seed 1: the same go wrong again with --seed 1"
    assert "a fault could not break a frame" in lines[1]
