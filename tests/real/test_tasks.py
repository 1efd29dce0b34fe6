"""A task of a real server, with a question that it asks meanwhile: the strict way, message by message."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.clients.raw import CAPABILITIES, Client, Message, handshake, spell
from tests.http.running import mcptap_on_stdio
from tests.servers.everything import command

_CAPABLE = {**CAPABILITIES, "tasks": {"requests": {"elicitation": {"create": {}}}}}


def choose(request: Message) -> dict[str, Any]:
    """Answer what the server asks."""
    if request.method == "roots/list":
        return {"result": {"roots": []}}
    return {"result": {"action": "accept", "content": {"interpretation": "snake"}}}


async def research(client: Client) -> list[str]:
    """Start the task, wait for its result, and look at it once more; give all answers."""
    await handshake(client, capabilities=_CAPABLE)
    call = {
        "name": "simulate-research-query",
        "arguments": {"topic": "python", "ambiguous": True},
        "task": {"ttl": 60_000},
    }
    made = await client.request("tools/call", call, id="made")
    task = {"taskId": made.result["task"]["taskId"]}
    result = await client.request("tasks/result", task, id="result")
    last = await client.request("tasks/get", task, id="last")
    assert last.result["status"] == "completed"
    assert "snake" in result.result["content"][0]["text"]
    return [answer.outcome for answer in (made, result, last)]


def test_a_task_that_asks_is_replayed_with_its_question(tmp_path: Path) -> None:
    async def work() -> None:
        cassette = tmp_path / "rec.jsonl"
        asked, answers = [], []
        record, replay = ["record", "-o", str(cassette), "--", *command("stdio")], ["replay", str(cassette)]
        for words in (record, replay):
            async with mcptap_on_stdio(*words, on_request=choose) as client:
                answers.append(await research(client))
                questions = await client.arrived("elicitation/create")
                asked.append([spell(question.params) for question in questions])
        assert answers[0] == answers[1]
        assert asked[0] == asked[1]
        assert len(asked[0]) == 1

    asyncio.run(work())
