"""Many servers behind one mcptap: each at its path, with its own cassette, environment and failure."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from websockets.exceptions import InvalidStatus

from mcptap.tap.many import path_of
from tests.cli.running import mcptap as mcptap_to_its_end
from tests.clients.raw import HttpClient, handshake
from tests.clients.websocket import SocketClient
from tests.http.legacy_client import LegacyClient
from tests.http.running import MCPTAP, PATIENCE, Process, mcptap_on_stdio, requests, server, started
from tests.http.test_security import refuses_foreigners
from tests.servers.processes import ended

WIRE = {"command": sys.executable, "args": ["-m", "tests.servers.wire"]}


def misbehaving(*arguments: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-m", "tests.servers.misbehaving", *arguments]}


def write(folder: Path, servers: Mapping[str, Any]) -> Path:
    path = folder / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return path


@contextlib.asynccontextmanager
async def many(verb: str, config: Path, *arguments: str | Path, **env: str) -> AsyncIterator[Process]:
    """Run mcptap with all servers of a configuration until it serves them."""
    argv = [*MCPTAP, verb, "--config", str(config), "--port", "0", *map(str, arguments)]
    async with started(argv, env=env) as running:
        running.url = (await running.says(r"serving .* at (http://[^/]+)/"))[1]
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            assert (await client.get(running.url)).status_code == 404
        yield running


def child_of(running: Process, marker: str) -> psutil.Process:
    """The child process of mcptap that has ``marker`` among its arguments."""
    found = [psutil.Process(pid) for pid in running.children]
    (child,) = [each for each in found if marker in each.cmdline()]
    return child


def cassette(folder: Path, name: str) -> Path:
    (found,) = folder.glob(f"{name}-2*.jsonl")
    return found


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_each_server_has_its_own_paths_and_cassette(era: Any, tmp_path: Path) -> None:
    async def work() -> None:
        names = ["one", "two words", "a/b", "ünï{x}"]
        config = write(tmp_path, dict.fromkeys(names, WIRE))
        async with many("record", config, "-o", tmp_path / "rec") as running:
            for name in names:
                path = running.url + path_of(name) + "/mcp"
                async with HttpClient(path, era=era, timeout=PATIENCE) as client:
                    await handshake(client)
                    assert (await client.call("echo", {"text": name})).result["content"]
            assert await running.stop() == 0, running.text
        for name, stem in zip(names, ["one", "two-words", "a-b", "n-x"], strict=True):
            lines = requests(cassette(tmp_path / "rec", stem))
            assert [line["method"] for line in lines][-1] == "tools/call"
            assert lines[-1]["params"]["arguments"] == {"text": name}
            header = json.loads(cassette(tmp_path / "rec", stem).read_text().splitlines()[0])
            assert header["upstream"]["name"] == name

    asyncio.run(work())


def test_a_client_of_legacy_sse_is_served_at_its_path(tmp_path: Path) -> None:
    async def work() -> None:
        config = write(tmp_path, {"one": WIRE, "two": WIRE})
        async with many("proxy", config) as running:
            async with LegacyClient(f"{running.url}/two/sse", timeout=PATIENCE) as client:
                await handshake(client)
                assert client.endpoint.startswith(f"{running.url}/two/messages/")
                assert (await client.call("echo", {"text": "x"})).result["content"]
            assert await running.stop() == 0, running.text

    asyncio.run(work())


def test_a_client_of_websocket_is_served_at_its_path_by_the_server_of_that_path(tmp_path: Path) -> None:
    async def work() -> None:
        async with server("wire_socket", "0") as upstream:
            url = upstream.url.replace("http", "ws")
            entries = {"old": {"type": "ws", "url": f"{url}/ws"}, "url": {"url": url}, "own": WIRE}
            async with many("record", write(tmp_path, entries), "-o", tmp_path / "rec") as running:
                base = running.url.replace("http", "ws")
                for name in entries:
                    async with SocketClient(f"{base}/{name}/ws", timeout=PATIENCE) as client:
                        await handshake(client)
                        assert (await client.call("echo", {"text": name})).result["content"]
                    async with HttpClient(f"{running.url}/{name}/mcp", timeout=PATIENCE) as other:
                        await handshake(other)
                        assert (await other.call("echo", {"text": "mcp"})).result["content"]
                for path in ("/ws", "/none/ws", "/own/other"):
                    with pytest.raises(InvalidStatus, match="404"):
                        await SocketClient(base + path, timeout=PATIENCE).start()
                assert await running.stop() == 0, running.text
        for name in entries:
            called = [each for each in requests(cassette(tmp_path / "rec", name)) if "call" in each["method"]]
            assert [each["params"]["arguments"]["text"] for each in called] == [name, "mcp"]

    asyncio.run(work())


def test_the_start_lists_every_url_and_an_unknown_path_the_servers(tmp_path: Path) -> None:
    async def work() -> None:
        config = write(tmp_path, {"one": WIRE, "two": WIRE, "off": {**WIRE, "disabled": True}})
        async with many("proxy", config) as running:
            await running.says("serving two")
            assert [line.split(",")[0] for line in running.lines] == [
                f"mcptap: serving {name} at {running.url}/{name}/mcp" for name in ("one", "two")
            ]
            async with httpx2.AsyncClient(trust_env=False) as client:
                for path in ("/", "/off/mcp", "/ones/mcp", "/one"):
                    answer = await client.get(running.url + path)
                    assert answer.status_code == 404
                    assert "/one/mcp, /two/mcp" in answer.text
                answer = await client.post(f"{running.url}/one/elsewhere")
                assert answer.status_code == 404
                assert "'one' is at /one/mcp, /one/sse, /one/ws" in answer.text

    asyncio.run(work())


def test_foreigners_are_refused_everywhere(tmp_path: Path) -> None:
    async def work() -> None:
        config = write(tmp_path, {"one": WIRE})
        async with many("proxy", config) as running:
            await refuses_foreigners(f"{running.url}/one/mcp", stream=False)
            await refuses_foreigners(f"{running.url}/one/sse", stream=True)
            socket = SocketClient(
                f"{running.url}/one/ws".replace("http", "ws"), headers={"origin": "http://evil.example"}
            )
            with pytest.raises(InvalidStatus, match="403"):
                await socket.start()
            async with httpx2.AsyncClient(trust_env=False) as client:
                answer = await client.get(running.url, headers={"host": "evil.example"})
                assert answer.status_code == 421
                assert "one" not in answer.text

    asyncio.run(work())


def test_environment_and_headers_reach_only_the_server_that_they_are_for(tmp_path: Path) -> None:
    async def work() -> None:
        logs = [tmp_path / "first.log", tmp_path / "second.log"]
        async with (
            server("wire_http", "0", "--log", str(logs[0])) as first,
            server("wire_http", "0", "--log", str(logs[1])) as second,
        ):
            folder = tmp_path / "folder"
            folder.mkdir()
            servers: dict[str, Any] = {
                "a": {
                    **WIRE,
                    "args": [*WIRE["args"], "--log", str(tmp_path / "a")],
                    "env": {"SECRET": "${TOKEN}-a"},
                },
                "b": {
                    **WIRE,
                    "args": [*WIRE["args"], "--log", str(tmp_path / "b")],
                    "env": {"PYTHONPATH": str(Path.cwd())},
                },
                "c": {"url": f"{first.url}/mcp", "headers": {"X-Key": "${env:TOKEN}-c"}},
                "d": {"type": "http", "url": f"{second.url}/mcp", "headers": {"X-Other": "${D:-plain}"}},
            }
            servers["b"]["cwd"] = str(folder)
            async with many("proxy", write(tmp_path, servers), TOKEN="t") as running:
                async with contextlib.AsyncExitStack() as stack:
                    for name in "abcd":
                        client = HttpClient(f"{running.url}/{name}/mcp", timeout=PATIENCE)
                        await handshake(await stack.enter_async_context(client))
                    a, b = (child_of(running, str(tmp_path / name)) for name in "ab")
                    assert a.environ()["SECRET"] == "t-a"
                    assert "SECRET" not in b.environ()
                    assert b.cwd() == str(folder)
                assert await running.stop() == 0, running.text
        heard = ["".join(log.read_text().lower()) for log in logs]
        assert ['"x-key": "t-c"' in text for text in heard] == [True, False]
        assert ['"x-other": "plain"' in text for text in heard] == [False, True]

    asyncio.run(work())


def test_no_client_hears_what_is_for_another(tmp_path: Path) -> None:
    async def work() -> None:
        config = write(tmp_path, {"one": WIRE, "two": WIRE})
        async with many("proxy", config) as running:
            async with (
                HttpClient(f"{running.url}/one/mcp", timeout=PATIENCE) as one,
                HttpClient(f"{running.url}/two/mcp", timeout=PATIENCE) as two,
                HttpClient(f"{running.url}/one/mcp", timeout=PATIENCE) as other,
            ):
                for client in (one, two, other):
                    await handshake(client)
                await one.call("notify")
                await one.arrived("notifications/example")
                for client in (two, other):
                    await client.call("echo", {"text": "the last word"})
                    assert [message.method for message in client.arrivals if message.method] == []
            assert await running.stop() == 0, running.text

    asyncio.run(work())


def test_a_server_that_fails_takes_nobody_along(tmp_path: Path) -> None:
    async def work() -> None:
        servers = {
            "fine": WIRE,
            "absent": {"command": "no-such-command"},
            "down": {"url": "http://127.0.0.1:9/mcp"},
            "elsewhere": {**WIRE, "cwd": str(tmp_path / "nowhere")},
            "exits": misbehaving("exit"),
            "rubbish": misbehaving("rubbish"),
            "silent": misbehaving("silent"),
            "crashes": misbehaving("exit-after", "2"),
        }
        async with many("record", write(tmp_path, servers), "-o", tmp_path / "rec") as running:
            await running.says("absent: the command 'no-such-command' was not found")
            await running.says("down: http://127.0.0.1:9/mcp can't be reached")
            async with HttpClient(f"{running.url}/fine/mcp", timeout=PATIENCE) as fine:
                await handshake(fine)
                async with contextlib.AsyncExitStack() as stack:
                    for name in ("absent", "down", "elsewhere", "exits", "rubbish"):
                        client = HttpClient(f"{running.url}/{name}/mcp", timeout=PATIENCE)
                        answer = await handshake(await stack.enter_async_context(client))
                        assert answer.body["error"]["message"], name
                        assert (await fine.call("echo", {"text": name})).result["content"]
                    silent = HttpClient(f"{running.url}/silent/mcp", timeout=PATIENCE)
                    waiting = asyncio.create_task(handshake(await stack.enter_async_context(silent)))
                    crashing = HttpClient(f"{running.url}/crashes/mcp", timeout=PATIENCE)
                    await handshake(await stack.enter_async_context(crashing))
                    await crashing.call("echo", {"text": "last"})
                    assert "error" in (await crashing.call("echo", {"text": "too late"})).body
                    assert (await fine.call("echo", {"text": "still"})).result["content"]
                    assert not waiting.done()
                    waiting.cancel()
                    await asyncio.gather(waiting, return_exceptions=True)
            children = running.children
            assert await running.stop() == 4
            for child in children:
                await ended(child)
        told = [line.removeprefix("mcptap: ").split(":")[0] for line in running.lines]
        assert {"absent", "down", "elsewhere", "exits", "crashes"} <= set(told)
        assert not any(line.startswith("mcptap: fine:") and "recorded" not in line for line in running.lines)
        assert "Traceback" not in running.text

    asyncio.run(work())


def test_a_cassette_that_cannot_be_written_is_the_failure_of_its_server_alone(tmp_path: Path) -> None:
    async def work() -> None:
        folder = tmp_path / "rec"
        config = write(tmp_path, {"one": WIRE, "two": WIRE})
        async with many("record", config, "-o", folder) as running:
            url = running.url
            _, hard = psutil.Process(running.process.pid).rlimit(psutil.RLIMIT_FSIZE)
            psutil.Process(running.process.pid).rlimit(psutil.RLIMIT_FSIZE, (20_000, hard))
            async with (
                HttpClient(f"{url}/one/mcp", timeout=PATIENCE) as one,
                HttpClient(f"{url}/two/mcp", timeout=PATIENCE) as two,
            ):
                await handshake(one)
                await handshake(two)
                with contextlib.suppress(ConnectionError):
                    await one.call("echo", {"text": "x" * 30_000})
                await running.says("one: .*")
                assert (await two.call("echo", {"text": "still"})).result["content"]
            async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
                answer = await client.post(f"{url}/one/mcp")
                assert answer.status_code == 503
                assert "can't be served any more" in answer.text
            assert await running.stop() == 5, running.text

    asyncio.run(work())


def test_twenty_servers_and_one_is_killed_while_the_others_answer(tmp_path: Path) -> None:
    async def work() -> None:
        names = [f"server{number:02}" for number in range(20)]
        servers = {name: {**WIRE, "args": [*WIRE["args"], "--log", str(tmp_path / name)]} for name in names}
        async with many("record", write(tmp_path, servers), "-o", tmp_path / "rec") as running:
            async with contextlib.AsyncExitStack() as stack:
                clients = {
                    name: await stack.enter_async_context(
                        HttpClient(f"{running.url}/{name}/mcp", timeout=PATIENCE)
                    )
                    for name in names
                }
                await asyncio.gather(*map(handshake, clients.values()))
                children = running.children
                assert len(children) == len(names)
                victim = names[7]
                slow = {
                    name: asyncio.create_task(client.call("never" if name == victim else "slow", {"ms": 500}))
                    for name, client in clients.items()
                }
                await asyncio.gather(*(client.call("echo", {"text": "now"}) for client in clients.values()))
                child_of(running, str(tmp_path / victim)).kill()
                for name, call in slow.items():
                    assert ("error" if name == victim else "result") in (await call).body, name
                answers = await asyncio.gather(
                    *(
                        client.call("echo", {"text": name})
                        for name, client in clients.items()
                        if name != victim
                    )
                )
                assert all("result" in answer.body for answer in answers)
            assert await running.stop() == 4
            for child in children:
                await ended(child)
        assert [
            line for line in running.lines if line.startswith(f"mcptap: {victim}: ") and "signal 9" in line
        ]
        assert all(requests(cassette(tmp_path / "rec", name)) for name in names)

    asyncio.run(work())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_server_for_stdio_with_its_environment(number: signal.Signals, tmp_path: Path) -> None:
    async def work() -> None:
        config = write(
            tmp_path,
            {"one": {**WIRE, "env": {"SECRET": "s"}}, "two": {**WIRE, "env": {"A": "${NOT_SET_HERE}"}}},
        )
        folder = tmp_path / "rec"
        async with mcptap_on_stdio("record", "--config", config, "--server", "one", "-o", folder) as client:
            await handshake(client)
            (child,) = psutil.Process(client.pid).children()
            assert child.environ()["SECRET"] == "s"
            os.kill(client.pid, number)
            assert await client.wait() == 0, client.stderr
            await ended(child.pid)
        assert requests(cassette(folder, "one"))

    asyncio.run(work())


def test_one_server_at_a_front_of_its_own(tmp_path: Path) -> None:
    async def work() -> None:
        config = write(tmp_path, {"one": WIRE, "off": {**WIRE, "disabled": True}})
        argv = [
            *MCPTAP,
            "proxy",
            "--config",
            str(config),
            "--server",
            "off",
            "--transport",
            "http",
            "--port",
            "0",
        ]
        async with started(argv) as running:
            url = (await running.says(r"serving off at (http\S+)"))[1]
            assert url.endswith("/mcp")
            async with HttpClient(url, timeout=PATIENCE) as client:
                assert "result" in (await handshake(client)).body
            assert await running.stop() == 0

    asyncio.run(work())


def test_when_nothing_can_be_recorded_nothing_is_served(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = write(tmp_path, {"one": WIRE, "two": WIRE})
    run = mcptap_to_its_end("record", "--config", config, "-o", tmp_path / "file" / "rec", "--port", "0")
    assert run.returncode == 3
    assert [line.split(":")[1] for line in run.stderr.splitlines()] == [" one", " two"]
    assert "can't be written to" in run.stderr
