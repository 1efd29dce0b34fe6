"""The official suite sees no difference between a server, the tap in front of it, and its recording."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.conformance.suite import BARE, LEGS, Checks, Scenario, Suite, checks_in, compare, count, installed
from tests.http.running import mcptap, server

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(900)]

_SUCCESSES: Final = {"2025-11-25": 84, "2026-07-28": 152, BARE: 276}
_EXTENSION: Final = "sep-2640-"
"""How the names of an extension's client scenarios begin."""
_CUT: Final = "mrtr-resume.txt"
"""An argument that only one recorded request has."""


class Recorded(NamedTuple):
    """A run of the suite against the server itself, and one through the tap, with what it recorded."""

    suite: Suite
    direct: Path
    through_tap: Path
    cassette: Path


@pytest.fixture(scope="module")
def suite() -> Suite:
    return installed()


@pytest.fixture(scope="module")
def recorded(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # the workers share it, and the two runs
    folder /= "conformance"
    folder.mkdir(exist_ok=True)
    found = Recorded(suite, folder / "direct", folder / "record", folder / "rec.jsonl")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            asyncio.run(_record(found))
            (folder / "done").touch()
    return found


async def _record(recorded: Recorded) -> None:
    """Run the suite against two servers of the same kind at once: one by itself, one behind the tap."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_record_direct(recorded))
        tasks.create_task(_record_through_tap(recorded))


async def _record_direct(recorded: Recorded) -> None:
    async with server("conformance") as upstream:
        await recorded.suite.in_order(f"{upstream.url}/mcp", recorded.direct)


async def _record_through_tap(recorded: Recorded) -> None:
    async with (
        server("conformance") as upstream,
        mcptap("record", "-o", recorded.cassette, "--url", f"{upstream.url}/mcp") as tap,
    ):
        await recorded.suite.in_order(tap.url, recorded.through_tap)
        assert await tap.stop() == 0, tap.text


def test_the_server_itself_passes(recorded: Recorded) -> None:
    checks = checks_in(recorded.direct)
    assert {leg: count(checks, leg, "SUCCESS") for leg in LEGS} == _SUCCESSES
    assert not any(count(checks, leg, status) for leg in LEGS for status in ("FAILURE", "WARNING"))


def test_through_the_tap(recorded: Recorded) -> None:
    _assert_same(checks_in(recorded.direct), checks_in(recorded.through_tap))


def test_replayed(recorded: Recorded, tmp_path: Path) -> None:
    asyncio.run(_replay(recorded, lambda url: recorded.suite.in_order(url, tmp_path)))


def test_what_was_cut_out_is_missed(recorded: Recorded, tmp_path: Path) -> None:
    scenario = Scenario(BARE, "tasks-mrtr-input")
    lines = recorded.cassette.read_text().removesuffix("\n").split("\n")
    kept = [line for line in lines if not _has_cut_argument(line)]
    assert len(kept) == len(lines) - 1
    cassette = tmp_path / "cut.jsonl"
    cassette.write_text("\n".join(kept) + "\n")

    async def replay() -> None:
        async with mcptap("replay", cassette) as tap:
            checks = await recorded.suite.one(tap.url, tmp_path, scenario)
            assert "FAILURE" in {status for statuses in checks.values() for status in statuses}
            assert await tap.stop() == 1
            assert "confirm_delete" in tap.text
            assert _CUT in tap.text

    asyncio.run(replay())


@pytest.mark.parametrize("leg", LEGS)
def test_clients_through_the_tap(leg: str, suite: Suite, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.conformance.client"]

    async def play(argv: list[str], folder: Path) -> Checks:
        for name in await suite.scenarios("client", leg):
            # The leg without a version repeats all of the others; only the extensions are new in it.
            if not name.startswith("auth/") and (leg != BARE or name.startswith(_EXTENSION)):
                await suite.client(argv, folder, Scenario(leg, name))
        return checks_in(folder)

    async def play_both() -> None:
        direct = await play(command, tmp_path / "direct")
        assert count(direct, leg, "SUCCESS")
        assert not count(direct, leg, "FAILURE")
        _assert_same(direct, await play([*command, "--tap"], tmp_path / "tap"))

    asyncio.run(play_both())


@pytest.mark.parametrize("seed", [1, 2])
def test_replayed_in_another_order(seed: int, recorded: Recorded, tmp_path: Path) -> None:
    asyncio.run(_replay(recorded, lambda url: recorded.suite.shuffled(url, tmp_path, seed)))


async def _replay(recorded: Recorded, run: Callable[[str], Awaitable[Checks]]) -> None:
    """Run the suite against the recording, whose server is gone: nothing differs, and nothing is missed."""
    async with mcptap("replay", recorded.cassette) as tap:
        checks = await run(tap.url)
        code = await tap.stop()
        _assert_same(checks_in(recorded.direct), checks)
        assert code == 0, tap.text
        assert "missed 0" in tap.text


def _assert_same(expected: Checks, seen: Checks) -> None:
    differing = compare(expected, seen)
    assert not differing, "\n".join(differing)


def _has_cut_argument(line: str) -> bool:
    params = json.loads(line).get("params") or {}
    return bool((params.get("arguments") or {}).get("filename") == _CUT)
