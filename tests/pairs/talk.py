"""What is said in every pair of transports: something of each kind that a server offers."""

from __future__ import annotations

import re
from typing import Any

from tests.clients.raw import Client, Message, handshake, spell

_REQUESTS: list[tuple[str, dict[str, Any] | None]] = [
    ("tools/list", None),
    ("resources/list", None),
    ("resources/read", {"uri": "wire://text"}),
    ("resources/read", {"uri": "wire://absent"}),
    ("prompts/list", None),
    ("prompts/get", {"name": "greet", "arguments": {"who": "é"}}),
    ("example/unknown", None),
]


def answer_server(request: Message) -> dict[str, Any]:
    """Answer the elicitation."""
    assert request.method == "elicitation/create"
    return {"result": {"action": "accept", "content": {"name": "Ada"}}}


async def talk(client: Client) -> list[str]:
    """Use a server's tools, resources and prompts; give all that was heard, in order.

    The client must answer with `answer_server`. What a server draws at random is left out.
    """
    await handshake(client)
    for method, params in _REQUESTS:
        await client.request(method, params)
    await client.call("echo", {"text": "\u2028 é \U0001f600"})
    await client.call("progress", {"n": 3}, meta={"progressToken": "token"})
    await client.call("log", {"n": 2})
    await _elicit(client)
    await client.call("tool_error")
    return [re.sub(r"state/(\d+)/\w+", r"state/\1", _heard(message)) for message in client.arrivals]


async def _elicit(client: Client) -> None:
    """Have the server ask: in the modern era by an unfinished result, which is asked for again."""
    arguments = {"kind": "elicitation"}
    answer = await client.call("ask", arguments)
    if client.era == "modern":
        retry = {
            "name": "ask",
            "arguments": arguments,
            "inputResponses": {"first": {"action": "accept", "content": {"name": "Ada"}}},
            "requestState": answer.result["requestState"],
        }
        answer = await client.request("tools/call", retry)
    assert "Ada" in answer.outcome


def _heard(message: Message) -> str:
    if message.method is None:
        return message.outcome
    kind = "request" if "id" in message.body else "notification"
    return f"{kind} {message.method} {spell(message.params)}"
