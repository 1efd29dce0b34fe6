"""All sixteen pairs of transports, in both eras: live and replayed it is what it is without mcptap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.raw import Era
from tests.pairs.ends import TRANSPORTS, Transport, client_of, real_server, recording, replaying
from tests.pairs.table import PROPERTY, table
from tests.pairs.talk import talk

# The very first run makes an environment for the first SDK.
pytestmark = [pytest.mark.pairs, pytest.mark.timeout(600)]

ERAS: tuple[Era, ...] = ("handshake", "modern")
PAIRS = [(front, back, era) for era in ERAS for front in TRANSPORTS for back in TRANSPORTS]


@pytest.mark.parametrize(("front", "back", "era"), PAIRS)
def test_a_pair_is_the_same_as_direct_live_and_replayed(
    front: Transport,
    back: Transport,
    era: Era,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with real_server(back, era) as server:
            async with client_of(server, back, era) as client:
                direct = await talk(client)
            assert len(direct) >= 15
            async with recording(server, cassette, front, era) as client:
                assert await talk(client) == direct
        # The server is gone. Over all the pairs each transport replays what was recorded over each other.
        other = TRANSPORTS[(TRANSPORTS.index(front) + TRANSPORTS.index(back)) % len(TRANSPORTS)]
        for replayed_over in dict.fromkeys([front, other]):
            async with replaying(cassette, replayed_over, era) as client:
                assert await talk(client) == direct

    asyncio.run(work())
    record_property(PROPERTY, (front, back, era))


def test_the_readme_has_the_table() -> None:
    readme = Path(__file__).parents[2] / "README.md"
    assert table(PAIRS) in readme.read_text(encoding="utf-8")
