"""One long conversation with the wire server, and everything that a client hears in it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.clients.raw import Client, Message, handshake, modern_meta, spell
from tests.servers import wire_answers as answers

_CALLS = [*answers.FIXED, *answers.ERRORS, "echo", "counter", "counter", "log", "notify", "absent"]
_REQUESTS: list[tuple[str, dict[str, Any] | None]] = [
    ("ping", None),
    ("resources/list", None),
    ("resources/list", {"cursor": "cmVzb3VyY2VzOjI="}),
    ("resources/templates/list", {}),
    ("resources/read", {"uri": "wire://text"}),
    ("resources/read", {"uri": "wire://absent"}),
    ("prompts/list", None),
    ("prompts/get", {"name": "greet", "arguments": {"who": "é"}}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who"}}),
    ("logging/setLevel", {"level": "debug", "x": 1.0}),
    ("example/custom", {"b": [1, {}], "a": "\u2028", "_meta": {"example.com/x": 1}}),
    ("example/empty", None),
    ("example/unknown", {"a": 1}),
]


def answer_server(request: Message) -> dict[str, Any]:
    """Answer what the server asks; roots with an error, to see errors travel too."""
    if request.method == "roots/list":
        return {"error": {"code": -32050, "message": "no roots", "data": {"b": 1, "a": None}}}
    return {"result": {"action": "accept", "content": {"name": "Ada"}, "x-kept": [1, None]}}


async def converse(client: Client) -> list[str]:
    """Say everything once, in a fixed order; give what was heard, without the ids of JSON-RPC.

    The client must answer with `answer_server`. Notifications of a request are part of what is heard
    before its answer, so their order is, too.
    """
    await handshake(client)
    for name in _CALLS:
        await client.call(name)
    for method, params in _REQUESTS:
        await client.request(method, params)
    await _read_all_pages(client)
    meta = f'"_meta":{spell(modern_meta())},' if client.era == "modern" else ""
    await client.request("tools/call", f'{{{meta}"name":"echo","arguments":{answers.NUMBERS},"x":1E400}}')
    for token in ("token", 7):
        await client.call("progress", {"n": 3}, meta={"progressToken": token, "example.com/x": [1]})
    if client.era == "handshake":
        for kind in ("elicitation", "sampling", "roots"):
            await client.call("ask", {"kind": kind, "rounds": 2})
    both = await asyncio.gather(
        client.call("slow", {"ms": 60}), client.call("echo", {"text": "meanwhile"}, id="a string")
    )
    arrivals = [_heard(message) for message in client.arrivals if message not in both]
    return [*arrivals, *(message.outcome for message in both)]


async def _read_all_pages(client: Client) -> None:
    page = await client.request("tools/list")
    while "nextCursor" in page.result:
        page = await client.request("tools/list", {"cursor": page.result["nextCursor"]})


def _heard(message: Message) -> str:
    if message.method is None:
        return message.outcome
    kind = "request" if "id" in message.body else "notification"
    return f"{kind} {message.method} {spell(message.params)}"
