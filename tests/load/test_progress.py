"""Many calls with progress in flight at once: each hears its own, in order, and before its answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from tests.clients.raw import Client, Era, HttpClient, Message, handshake, spell
from tests.http.running import PATIENCE, WIRE, mcptap, mcptap_on_stdio

Id: TypeAlias = int | str

IDS: list[Id] = [11, "12", "eleven", 13, "a\u2028b", 0, "", 2**53, -1]
STEPS = range(3, 3 + len(IDS))


@contextlib.asynccontextmanager
async def clients_of(
    front: Literal["stdio", "http"], number: int, *words: str | Path, era: Era
) -> AsyncIterator[Sequence[Client]]:
    """Raw clients of one mcptap, which have opened their sessions."""
    async with contextlib.AsyncExitStack() as stack:
        clients: list[Client] = []
        if front == "stdio":
            assert number == 1
            clients.append(await stack.enter_async_context(mcptap_on_stdio(*words, era=era)))
        else:
            running = await stack.enter_async_context(mcptap(*words))
            for _ in range(number):
                http = HttpClient(running.url, era=era, timeout=PATIENCE)
                clients.append(await stack.enter_async_context(http))
        await asyncio.gather(*map(handshake, clients))
        yield clients


async def call_all(client: Client, shift: int) -> None:
    """Make all calls at once, each with the id of another one as its token, and check what is heard."""
    tokens = [*IDS[shift:], *IDS[:shift]]
    start = len(client.arrivals)
    calls = (
        client.call("progress", {"n": n, "ms": 5}, id=identity, meta={"progressToken": token})
        for n, identity, token in zip(STEPS, IDS, tokens, strict=True)
    )
    answers = await asyncio.gather(*calls)
    arrivals = client.arrivals[start:]
    assert len(arrivals) == sum(STEPS) + len(IDS)
    for n, answer, token in zip(STEPS, answers, tokens, strict=True):
        assert answer.result["structuredContent"] == {"sent": n}
        own = [message for message in arrivals if message is answer or has_token(message, token)]
        assert own[-1] is answer
        said = [
            f"{message.params['progress'].text} of {message.params['total'].text}" for message in own[:-1]
        ]
        assert said == [f"{number}.0 of {n}.00" for number in range(1, n + 1)]


def has_token(message: Message, token: Id) -> bool:
    return message.method is not None and spell(message.params["progressToken"]) == spell(token)


@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize(("front", "number"), [("stdio", 1), ("http", 1), ("http", 3)])
def test_tokens_that_are_ids_of_other_calls(
    front: Literal["stdio", "http"], number: int, era: Era, tmp_path: Path
) -> None:
    """All clients use the same ids and the same tokens; a replay is asked with other tokens."""

    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        async with clients_of(front, number, "record", "-o", cassette, "--", *WIRE, era=era) as clients:
            await asyncio.gather(*(call_all(client, shift=1) for client in clients))
        async with clients_of(front, number, "replay", cassette, era=era) as clients:
            await asyncio.gather(*(call_all(client, shift=4) for client in clients))

    asyncio.run(work())


@pytest.mark.parametrize("era", ["handshake", "modern"])
@pytest.mark.parametrize("front", ["stdio", "http"])
def test_a_number_and_a_string_that_look_the_same_are_two_ids(
    front: Literal["stdio", "http"], era: Era, tmp_path: Path
) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        for words in (["record", "-o", str(cassette), "--", *WIRE], ["replay", str(cassette)]):
            async with clients_of(front, 1, *words, era=era) as (client,):
                calls = (
                    client.call("slow", {"ms": 50, "id": repr(each)}, id=each, timeout=5) for each in (7, "7")
                )
                answers = await asyncio.gather(*calls)
                assert [spell(answer.id) for answer in answers] == ["7", '"7"']

    asyncio.run(work())
