"""What goes through mcptap is what was said, to the digit and in order: live, and from the cassette."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.clients.raw import Era, Message, Number, handshake, spell
from tests.stdio.conversation import Transcript, converse, without_states
from tests.stdio.support import (
    WIRE,
    client,
    complaints,
    interactions,
    recording,
    replaying,
    run,
    seen,
)

ERAS: list[Era] = ["handshake", "modern"]


def heard(log: Path) -> list[str]:
    """What the server was sent, without what mcptap numbers itself."""
    bodies = [dict(Message(text).body) for text in log.read_text().split("\n")]
    return [spell({name: value for name, value in body.items() if name != "id"}) for body in bodies]


@pytest.mark.parametrize("era", ERAS)
def test_nothing_differs_but_ids(era: Era, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        direct_log, tapped_log = tmp_path / "direct.log", tmp_path / "tapped.log"
        transcripts: list[Transcript] = []
        async with client([*WIRE, "--log", direct_log], era=era) as server:
            transcripts.append(await converse(server))
        async with recording(cassette, *WIRE, "--log", tapped_log, era=era) as tapped:
            transcripts.append(await converse(tapped))
        async with replaying(cassette, era=era) as replayed:
            transcripts.append(await converse(replayed))
            replayed.close_stdin()
            assert await replayed.wait() == 0, replayed.stderr
        direct, live, recorded = transcripts
        assert without_states(live) == without_states(direct)
        sent, passed_on = {"sent": heard(direct_log)}, {"sent": heard(tapped_log)}
        assert without_states(passed_on) == without_states(sent)
        assert recorded == live
        assert complaints(replayed) == []

    run(work())


@pytest.mark.parametrize("era", ERAS)
def test_requests_in_flight_at_once_are_answered_as_they_become_ready(era: Era, tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        for tap in (recording(cassette, era=era), replaying(cassette, era=era)):
            async with tap:
                await handshake(tap)
                asked = len(tap.arrivals)
                slow, slower, quick = await asyncio.gather(
                    tap.call("slow", {"ms": 300}, id="slow"),
                    tap.call("slow", {"ms": 900}, id=2**60),
                    tap.call("counter", id="quick"),
                )
                assert slow.result["structuredContent"] == {"slept": 300}
                assert slower.result["structuredContent"] == {"slept": 900}
                assert quick.result["structuredContent"] == {"count": 1}
                order = [message.id for message in tap.arrivals[asked:]]
                if "record" in tap.argv:
                    assert order == ["quick", "slow", Number(str(2**60))]

    run(work())


def test_progress_of_calls_in_flight_stays_with_its_call(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        for tap in (recording(cassette), replaying(cassette)):
            async with tap:
                await handshake(tap)
                tokens = ("a", "b", 1, 2)
                await asyncio.gather(
                    *(
                        tap.call(
                            "progress", {"n": 4, "ms": 3}, meta={"progressToken": token}, id=f"call {token}"
                        )
                        for token in tokens
                    )
                )
                for token in tokens:
                    mine = [
                        message.params["progress"].text if message.method else "answer"
                        for message in tap.arrivals
                        if message.id == f"call {token}"
                        or (message.method and message.params["progressToken"] == token)
                    ]
                    assert mine == ["1.0", "2.0", "3.0", "4.0", "answer"]
            assert complaints(tap) == []

    run(work())


def test_a_result_of_20_megabytes_passes(tmp_path: Path) -> None:
    async def work() -> None:
        size = 20_000_000
        cassette = tmp_path / "rec.jsonl"
        for tap in (recording(cassette), replaying(cassette)):
            async with tap:
                await handshake(tap)
                answer = await tap.call("big", {"bytes": size})
                assert answer.result["content"][0]["text"] == "x" * size

    run(work())


@pytest.mark.parametrize("era", ERAS)
def test_a_cancelled_call_is_cancelled_at_the_server_under_its_own_id(era: Era, tmp_path: Path) -> None:
    async def work() -> None:
        cassette, log = tmp_path / "rec.jsonl", tmp_path / "log"
        async with recording(cassette, *WIRE, "--log", log, era=era) as tap:
            await handshake(tap)
            call = asyncio.ensure_future(
                tap.call("progress", {"n": 1000, "ms": 10}, id="mine", meta={"progressToken": 1})
            )
            await tap.arrived("notifications/progress")
            await tap.notify("notifications/cancelled", '{"reason":"no need","x":1.0,"requestId":"mine"}')
            server_side = (await tap.call("seen")).result["structuredContent"]["notifications"][-1]
            call.cancel()
            requested = next(Message(line) for line in log.read_text().split("\n") if '"progress"' in line)
            assert server_side["method"] == "notifications/cancelled"
            assert spell(server_side["params"]) == (
                f'{{"reason":"no need","x":1.0,"requestId":{spell(requested.id)}}}'
            )
            assert requested.id != "mine"
            before = len(tap.arrivals)
            await tap.request("ping")
            assert [message.id for message in tap.arrivals[before:]] == [tap._last_id]
        (cancelled,) = [each for each in interactions(cassette) if each.outcome]
        assert cancelled.outcome == "cancelled"
        assert cancelled.params is not None
        assert cancelled.params["name"] == "progress"

    run(work())


def test_a_cancelled_call_stays_silent_in_replay_until_it_is_cancelled(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        for tap in (recording(cassette), replaying(cassette)):
            async with tap:
                await handshake(tap)
                call = asyncio.ensure_future(tap.call("never", id=7))
                await tap.request("ping")
                await tap.notify("notifications/cancelled", {"requestId": 7})
                await tap.request("example/empty")
                assert not call.done()
                call.cancel()
                tap.close_stdin()
                assert await tap.wait() == 0, tap.stderr

    run(work())


def test_changes_outside_any_request_arrive_and_are_recorded(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        heard_of = []
        for each in (client(WIRE), recording(cassette), replaying(cassette)):
            async with each:
                await handshake(each)
                await each.call("change")
                await each.arrived("notifications/resources/updated")
                heard_of.append([seen(message) for message in each.notifications])
        assert len(heard_of[0]) == 2
        assert heard_of == [heard_of[0]] * 3
        lines = [line for line in cassette.read_text().split("\n") if '"kind":"message"' in line]
        assert '"params":{"uri":"wire://text","x-updated":1.0}' in lines[-1]

    run(work())
