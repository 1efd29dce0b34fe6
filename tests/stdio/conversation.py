"""A long talk with the wire server that touches everything it can do, and what was seen of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any

from tests.clients.raw import Client, Message, Number, handshake, modern_meta, spell
from tests.servers import wire_answers as answers
from tests.stdio.support import seen

Transcript = dict[str, list[str]]
"""Everything that arrived in each step, in order."""

_SPELLINGS = f'{{"z":{answers.NUMBERS},"a":[1E400,{answers.STRINGS}],"e":{{}},"n":null}}'
_PLAIN = [
    ("ping", None),
    ("logging/setLevel", '{"level":"debug"}'),
    ("resources/list", None),
    ("resources/templates/list", None),
    ("resources/read", '{"uri":"wire://text"}'),
    ("resources/read", '{"uri":"wire://blob"}'),
    ("resources/read", '{"uri":"wire://none"}'),
    ("resources/subscribe", '{"uri":"wire://text"}'),
    ("resources/unsubscribe", '{"uri":"wire://text"}'),
    ("prompts/list", None),
    ("prompts/get", '{"name":"greet","arguments":{"who":"you"}}'),
    (
        "completion/complete",
        '{"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"who","value":"o"}}',
    ),
    ("tools/list", '{"cursor":"no such page"}'),
    ("tools/call", '{"name":"no such tool"}'),
    ("example/custom", _SPELLINGS),
    ("example/empty", None),
    ("example/unknown", '{"a":1.0}'),
]


class _Talk:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.transcript: Transcript = {}
        self._heard = 0

    async def step(self, name: str, work: Awaitable[Message]) -> Message:
        answer = await work
        assert name not in self.transcript
        self.transcript[name] = [seen(message) for message in self.client.arrivals[self._heard :]]
        self._heard = len(self.client.arrivals)
        return answer


async def converse(client: Client) -> Transcript:
    """Make every kind of request once, one after the other."""
    talk = _Talk(client)
    client.on_request = reply
    await talk.step("open", handshake(client))
    for name in [*answers.FIXED, *answers.ERRORS, "counter", "log", "notify", "rubbish"]:
        await talk.step(name, client.call(name))
    for number, (method, params) in enumerate(_PLAIN):
        text = envelope(client, params)
        await talk.step(f"{method} {number}", client.request(method, text))
    await _spellings(talk)
    await _pages(talk)
    for token in ("a token", "", 7, 0, "7"):
        meta = {"progressToken": token, "example.com/x": Number("1.0")}
        await talk.step(f"progress {token!r}", client.call("progress", {"n": 3}, meta=meta))
    await talk.step("log thrice", client.call("log", {"n": 3}))
    for kind in ("elicitation", "sampling", "roots"):
        await _ask(talk, kind)
    await client.notify("notifications/example", '{"b":1.0,"a":[1e-7,{}]}')
    await client.notify("notifications/bare")
    await client.notify("notifications/empty", "{}")
    await talk.step("seen", client.call("seen"))
    return talk.transcript


def reply(request: Message) -> dict[str, Any]:
    """Answer what the server asks."""
    match request.method:
        case "elicitation/create":
            return {"result": {"action": "accept", "content": {"ratio": Number("0.50"), "name": "\ud800"}}}
        case "sampling/createMessage":
            text = {"type": "text", "text": "said", "x": Number("1e-7")}
            return {"result": {"role": "assistant", "content": text, "model": "m"}}
        case _:
            return {
                "error": {"code": -32055, "message": "no roots", "data": [Number("1.00")], "x-more": None}
            }


def envelope(client: Client, params: str | None) -> str | None:
    """Add to a text of params what every modern request carries, and leave the rest as it is spelled."""
    if client.era == "handshake":
        return params
    meta = f'"_meta":{spell(modern_meta())}'
    return f"{{{meta}}}" if params in {None, "{}"} else f"{str(params)[:-1]},{meta}}}"


def without_states(transcript: Transcript) -> Transcript:
    """The transcript without what the server draws at random."""
    return {
        name: [re.sub(r"state/(\d+)/\w+", r"state/\1", text) for text in texts]
        for name, texts in transcript.items()
    }


async def _spellings(talk: _Talk) -> None:
    """What the client sends arrives as it was spelled, for the server gives it back."""
    client = talk.client
    for number, arguments in enumerate([None, "{}", _SPELLINGS, '{"text":"\u2028 \\u2028 \\ud83d\\ude00"}']):
        given = "" if arguments is None else f'"arguments":{arguments},'
        text = envelope(client, f'{{"x-first":1.50,{given}"name":"echo"}}')
        answer = await talk.step(f"echo {number}", client.request("tools/call", text))
        assert spell(answer.result["structuredContent"]) == spell(Message(text or "").body)
    for identity in ("a string", "7", "", 2**60, -3):
        await talk.step(f"id {identity!r}", client.request("ping", id=identity))


async def _pages(talk: _Talk) -> None:
    cursor: str | None = None
    for number in range(3):
        params = {} if cursor is None else {"cursor": cursor}
        page = await talk.step(f"page {number}", talk.client.request("tools/list", params))
        cursor = page.result.get("nextCursor")
    assert cursor is None


async def _ask(talk: _Talk, kind: str) -> None:
    client, arguments = talk.client, {"kind": kind, "rounds": 2, "message": "Caf\u00e9?"}
    answer = await talk.step(f"ask {kind}", client.call("ask", arguments))
    for number in range(2 if client.era == "modern" else 0):
        retry = {
            "name": "ask",
            "arguments": arguments,
            "inputResponses": {"first": {"x": Number("1.50"), "kind": kind}},
            "requestState": answer.result["requestState"],
        }
        answer = await talk.step(f"ask {kind}, retry {number}", client.request("tools/call", retry))
    assert "answers" in answer.result["structuredContent"]
