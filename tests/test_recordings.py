"""The example cassettes are living fixtures: valid, and served back as they were recorded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mcptap import codec, open_cassette
from mcptap.cassette.format import schema
from mcptap.model import Interaction
from mcptap.model import Message as Outside
from tests.clients.raw import Message, PipeClient

RECORDINGS = sorted((Path(__file__).parent.parent / "recordings").glob("*.jsonl"))


def test_there_are_at_least_three() -> None:
    assert len(RECORDINGS) >= 3


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_every_line_of_a_recording_is_valid(path: Path) -> None:
    validator = Draft202012Validator(schema())
    for _, _, line in open_cassette(path).lines():
        validator.validate(line)


@pytest.mark.anyio
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
async def test_a_recording_answers_what_was_asked_with_what_was_answered(path: Path) -> None:
    recorded = list(open_cassette(path).interactions())
    outside = {record.method for record in open_cassette(path).records() if isinstance(record, Outside)}
    asked: list[Interaction] = []

    def answer(request: Message) -> dict[str, object]:
        event = next(each for each in asked[-1].events if each.asked and each.method == request.method)
        return {"result": event.result} if event.result is not None else {"error": event.error}

    command = [sys.executable, "-m", "mcptap", "replay", "--fail-on-unused", str(path)]
    async with PipeClient(command, on_request=answer) as client:
        for interaction in sorted(recorded, key=lambda each: each.seq):
            asked.append(interaction)
            params = codec.dumps(interaction.params).decode() if interaction.params is not None else None
            seen = len(client.notifications)
            reply = await client.request(interaction.method, params)
            recorded_outcome = interaction.result if interaction.result is not None else interaction.error
            member = "result" if interaction.result is not None else "error"
            assert reply.source(member) == codec.dumps(recorded_outcome).decode()
            heard = [each.method for each in client.notifications[seen:]]
            notified = [method for method in heard if method not in outside]
            assert notified == [each.method for each in interaction.events if not each.asked]
        client.close_stdin()
        assert await client.wait() == 0, client.stderr
