"""Real servers and clients of different eras, with the bridge between them."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from mcptap.cassette.reader import open_cassette
from tests.http.running import MCPTAP, ROOT
from tests.real.servers import everything
from tests.real.visitor import Visit, visit
from tests.servers.everything import npm_client

_TIME = re.compile(r"\d{1,2}:\d\d:\d\d(?:\.\d+Z| [AP]M)")
_SIGNATURE = "io.modelcontextprotocol/serverInfo"
_MODERN_ONLY = [sys.executable, "-m", "tests.servers.modern_only", "stdio"]


def plain(value: Any) -> Any:
    """What a client got, without what only one of the eras has in it, and without the time of day."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, str):
        return _TIME.sub("now", value)
    if not isinstance(value, dict):
        return value
    dropped = {
        "resultType",
        "ttlMs",
        "cacheScope",
        "result_type",
        "ttl_ms",
        "cache_scope",
        _SIGNATURE,
        "elicitationId",
        "blob",
    }
    kept = {key: plain(each) for key, each in value.items() if key not in dropped}
    for meta in ("_meta", "meta"):
        if not kept.get(meta):
            kept.pop(meta, None)
    return kept


def got(visited: Visit) -> dict[str, Any]:
    """What doesn't depend on the era, nor on the environment that the server was started in."""
    return {
        key: plain(value) for key, value in visited.got.items() if key not in {"opened", "call 2: get-env"}
    }


def test_a_modern_client_gets_from_an_old_server_all_that_an_old_client_gets(tmp_path: Path) -> None:
    cassette = tmp_path / "rec.jsonl"
    with everything(tmp_path) as ready:
        tap = [*MCPTAP, "record", "--bridge", "auto", "-o", str(cassette), "--", *ready.argv]
        direct = asyncio.run(visit(ready.argv, ready.walk, "legacy"))
        bridged = asyncio.run(visit(tap, ready.walk, "2026-07-28"))
    assert got(bridged) == got(direct)
    assert plain(bridged.asked) == plain(direct.asked)
    assert bridged.progress == direct.progress
    assert bridged.refused == direct.refused
    made = [each.method for each in open_cassette(cassette).interactions()]
    assert made[:2] == ["server/discover", "initialize"]


@pytest.mark.parametrize("verb", ["record", "replay"])
def test_the_npm_client_of_the_handshake_era_uses_a_modern_server(verb: str, tmp_path: Path) -> None:
    async def use(*arguments: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            *npm_client(ROOT / "tests/clients/handshake_sdk.mjs"),
            *MCPTAP,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        return json.loads(output)

    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        live = await use("record", "-o", str(cassette), "--", *_MODERN_ONLY)
        assert live["opened"] == {"name": "modern-only", "version": "1.0.0"}
        assert live["tools"] == ["greet", "add", "count", "change"]
        assert live["greet"] == "Hello Ada"
        assert live["add"] == "3"
        assert live["asked"] == ["Who are you?"]
        assert live["heard"] == ["note://one"]
        assert live["note"] == "a note"
        assert live["prompt"] == "Tell me about bridges"
        assert live["absent"] == -32002
        if verb == "replay":
            replayed = await use("replay", "--fail-on-unused", "--bridge", "auto", str(cassette))
            assert replayed == live

    asyncio.run(work())
