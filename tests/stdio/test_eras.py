"""Both eras on one pipe, and real servers and clients in whichever they speak."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from mcptap.cassette.reader import open_cassette
from tests.clients.raw import Era, PipeClient, handshake, spell
from tests.stdio.support import MCPTAP, ROOT, WIRE, complaints, interactions, recording, replaying, run

Mode: TypeAlias = Literal["auto", "legacy"]
TIME = [str(Path(sys.executable).with_name("mcp-server-time")), "--local-timezone", "UTC"]
GIT = str(Path(sys.executable).with_name("mcp-server-git"))


async def probe_then_fall_back(tap: PipeClient) -> list[str]:
    """Do as a client of both eras does with a legacy server: probe, then initialize on the same pipe."""
    tap.era = "modern"
    probe = await tap.request("server/discover")
    tap.era = "handshake"
    opened = await handshake(tap)
    return [probe.outcome, opened.outcome, (await tap.call("mixed")).outcome]


def test_a_probe_that_fails_is_followed_by_initialize_on_the_same_pipe(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with PipeClient([*WIRE, "--era", "handshake"], cwd=ROOT) as server:
            direct = await probe_then_fall_back(server)
        async with recording(cassette, *WIRE, "--era", "handshake") as tap:
            assert await probe_then_fall_back(tap) == direct
        async with replaying(cassette) as tap:
            assert await probe_then_fall_back(tap) == direct
            tap.close_stdin()
            assert await tap.wait() == 0, tap.stderr
        assert '"code":-32601' in direct[0]
        assert [each.era for each in open_cassette(cassette).sessions()] == ["modern", "handshake"]

    run(work())


@pytest.mark.parametrize("recorded", ["handshake", "modern"])
def test_a_cassette_of_one_era_refuses_the_other_so_that_a_client_falls_back(
    recorded: Era, tmp_path: Path
) -> None:
    """Matching rule 7; the refusal is no miss."""

    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with recording(cassette, *WIRE, "--era", recorded, era=recorded) as tap:
            opened = await handshake(tap)
            mixed = await tap.call("mixed")
        async with replaying(cassette, era="handshake" if recorded == "modern" else "modern") as tap:
            refused = await handshake(tap)
            assert refused.error["code"] == (-32022 if recorded == "modern" else -32601)
            if recorded == "modern":
                assert "2026-07-28" in refused.error["data"]["supported"]
            tap.era = recorded
            assert (await handshake(tap)).outcome == opened.outcome
            assert (await tap.call("mixed")).outcome == mixed.outcome
            tap.close_stdin()
            assert await tap.wait() == 0, tap.stderr
        assert complaints(tap) == []

    run(work())


async def ask_time(client: Client[Any]) -> list[Any]:
    """What mcp-server-time says that isn't the time of day: a conversion, and two refusals."""
    tools = await client.list_tools_mcp()
    arguments = {"source_timezone": "UTC", "time": "12:30", "target_timezone": "Asia/Kathmandu"}
    answers = [
        await client.call_tool_mcp("convert_time", arguments),
        await client.call_tool_mcp("convert_time", {**arguments, "time": "25:99"}),
        await client.call_tool_mcp("get_current_time", {"timezone": "UTC"}),
    ]
    return [each.model_dump(mode="json", by_alias=True) for each in [tools, *answers]]


def ask_git(repository: Path) -> Callable[[Client[Any]], Awaitable[list[Any]]]:
    """What mcp-server-git says of a repository."""

    async def ask(client: Client[Any]) -> list[Any]:
        where = {"repo_path": str(repository)}
        tools = await client.list_tools_mcp()
        answers = [
            await client.call_tool_mcp("git_log", {**where, "max_count": 3}),
            await client.call_tool_mcp("git_status", where),
            await client.call_tool_mcp("git_show", {**where, "revision": "no-such-revision"}),
        ]
        return [each.model_dump(mode="json", by_alias=True) for each in [tools, *answers]]

    return ask


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with one commit."""
    path = tmp_path / "repository"
    path.mkdir()
    (path / "file.txt").write_text("text\n")
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
    for arguments in (["init", "-q"], ["add", "file.txt"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(path), *arguments], check=True)
    return path


async def answers_through(
    mode: Mode, ask: Callable[[Client[Any]], Awaitable[list[Any]]], *tap: str
) -> list[Any]:
    """Everything that FastMCP's client gets through mcptap, with what the server says of itself."""
    transport = StdioTransport(MCPTAP[0], [*MCPTAP[1:], *tap], cwd=str(ROOT), keep_alive=False)
    async with Client(transport, mode=mode, timeout=60, init_timeout=60) as client:
        info = client.server_info.model_dump(mode="json") if client.server_info else None
        return [info, *await ask(client)]


async def record_and_replay(
    mode: Mode, cassette: Path, server: list[str], ask: Callable[[Client[Any]], Awaitable[list[Any]]]
) -> list[Any]:
    live = await answers_through(mode, ask, "record", "-o", str(cassette), "--", *server)
    replayed = await answers_through(mode, ask, "replay", str(cassette))
    assert replayed == live
    return live


@pytest.mark.parametrize(("mode", "era"), [("auto", "modern"), ("legacy", "handshake")])
def test_the_time_server_is_replayed_to_fastmcps_client(mode: Mode, era: Era, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "time.jsonl"
        live = await record_and_replay(mode, cassette, TIME, ask_time)
        assert "18:15" in str(live[2])
        assert live[3]["isError"] is True
        assert {each.era for each in open_cassette(cassette).sessions()} == {era}

    run(work())


@pytest.mark.parametrize(("mode", "era"), [("auto", "modern"), ("legacy", "handshake")])
def test_the_git_server_is_replayed_to_fastmcps_client(
    mode: Mode, era: Era, repository: Path, tmp_path: Path
) -> None:
    async def work() -> None:
        cassette = tmp_path / "git.jsonl"
        live = await record_and_replay(mode, cassette, [GIT], ask_git(repository))
        assert "Somebody" in str(live[2])
        assert live[4]["isError"] is True
        assert {each.era for each in open_cassette(cassette).sessions()} == {era}

    run(work())


def test_fastmcps_client_falls_back_over_mcptap_as_it_does_without(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "wire.jsonl"

        async def ask(client: Client[Any]) -> list[Any]:
            return [(await client.call_tool_mcp("mixed", {})).model_dump(mode="json", by_alias=True)]

        await record_and_replay("auto", cassette, [*WIRE, "--era", "handshake"], ask)
        made = [each.method for each in interactions(cassette)]
        assert made[:2] == ["server/discover", "initialize"]

    run(work())


@pytest.mark.parametrize("era", ["handshake", "modern"])
def test_real_servers_answer_a_raw_client_the_same_from_the_cassette(
    era: Era, repository: Path, tmp_path: Path
) -> None:
    async def work() -> None:
        convert = {"source_timezone": "UTC", "time": "12:30", "target_timezone": "Asia/Kathmandu"}
        status = {"repo_path": str(repository)}
        for server, tool, arguments in ((TIME, "convert_time", convert), ([GIT], "git_status", status)):
            cassette = tmp_path / f"{tool}.jsonl"
            outcomes: list[list[str]] = []
            for tap in (recording(cassette, *server, era=era), replaying(cassette, era=era)):
                async with tap:
                    said = [
                        await handshake(tap),
                        await tap.request("tools/list"),
                        await tap.call(tool, arguments),
                    ]
                    outcomes.append([spell(message.result) for message in said])
            assert outcomes[1] == outcomes[0]

    run(work())
