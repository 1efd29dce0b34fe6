"""Real servers, walked tool by tool by a real client: what the cassette says is what they said."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.http.running import MCPTAP
from tests.real.servers import HANDSHAKE_SERVERS, SERVERS_OF_BOTH_ERAS, Prepare
from tests.real.visitor import Mode, Visit, visit


def heard(visited: Visit) -> list[str]:
    """What the client heard outside its requests, without order: its client hands that out in tasks."""
    return sorted(json.dumps(message) for message in visited.heard)


@pytest.mark.parametrize(
    ("prepare", "mode"),
    # A client that may choose falls back to the handshake where the server speaks nothing else.
    [(prepare, "auto") for prepare in [*HANDSHAKE_SERVERS, *SERVERS_OF_BOTH_ERAS]]
    + [(prepare, "legacy") for prepare in SERVERS_OF_BOTH_ERAS],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_replay_says_what_the_server_said(prepare: Prepare, mode: Mode, tmp_path: Path) -> None:
    cassette, folder = tmp_path / "rec.jsonl", tmp_path / "folder"
    folder.mkdir()
    with prepare(folder) as ready:
        record = [*MCPTAP, "record", "-o", str(cassette), "--", *ready.argv]
        live = asyncio.run(visit(record, ready.walk, mode))
    assert tuple(live.refused) == ready.refused
    shutil.rmtree(folder)
    replay = [*MCPTAP, "replay", "--fail-on-unused", str(cassette)]
    replayed = asyncio.run(visit(replay, ready.walk, mode))
    assert replayed.got == live.got
    assert replayed.asked == live.asked
    assert replayed.progress == live.progress
    assert heard(replayed) == heard(live)
