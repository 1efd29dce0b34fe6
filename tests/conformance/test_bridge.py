"""The official suite's modern leg, through the bridge to a server of the handshake era."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.conformance.suite import installed
from tests.http.running import ROOT, mcptap, server

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(900)]

_LEG = "2026-07-28"


def documented() -> dict[str, str]:
    """What docs/bridge.md says cannot hold, and what the suite says of it then."""
    table = re.findall(
        r"^\| `([a-z0-9-]+)` \| `(\w+)` \|", (ROOT / "docs/bridge.md").read_text(), re.MULTILINE
    )
    return dict(table)


def test_all_of_the_modern_leg_holds_but_what_the_documentation_names(tmp_path: Path) -> None:
    suite = installed()

    async def work() -> None:
        async with server("conformance") as upstream:
            direct = await suite.leg(f"{upstream.url}/mcp", tmp_path / "direct", _LEG)
        async with (
            server("conformance", "--handshake") as upstream,
            mcptap("proxy", "--bridge", "auto", "--url", f"{upstream.url}/mcp") as tap,
        ):
            bridged = await suite.leg(tap.url, tmp_path / "bridged", _LEG)
            assert await tap.stop() == 0, tap.text
        found = {check: set(bridged.get(check, ["absent"])) for check in direct}
        differing = {check.id: found[check] for check in direct if found[check] != set(direct[check])}
        assert bridged.keys() <= direct.keys()
        assert differing == {name: {status} for name, status in documented().items()}

    asyncio.run(work())
