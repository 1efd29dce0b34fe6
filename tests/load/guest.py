"""A client among many, which knows what is its own and counts all that it must hear."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests.clients.raw import Era, HttpClient, Message, handshake
from tests.http.running import PATIENCE

ELICITATION = "elicitation/create"
CHANGES = ("notifications/tools/list_changed", "notifications/resources/updated")
LOG = "notifications/message"
PROGRESS = "notifications/progress"


class Guest:
    """Visits a front once.

    Progress tokens and ids are the same for all guests, so that they would collide if they could. All
    texts, and how many notifications a call has, are its own.

    Args:
        url: The front.
        name: Stands in every call, so that no other guest makes the same one.
        number: Which one it is.
        era: In the modern era it asks nothing that the server would say outside a request.
        logs: Whether the server's log messages can be told from those that others caused.

    Attributes:
        requested: How many requests it has made.
    """

    def __init__(self, url: str, name: str, number: int, *, era: Era, logs: bool) -> None:
        self.client = HttpClient(url, era=era, timeout=PATIENCE, on_request=self._answer)
        self.name = name
        self.requested = 0
        self._steps = 2 + number % 5
        self._logs = logs
        self._asked: list[str] = []
        self._answered: asyncio.Queue[str] = asyncio.Queue()
        self._expected: Counter[str] = Counter()

    async def visit(self, rounds: int) -> None:
        """Come, do everything some times, hear everything, and go."""
        async with self.client:
            await handshake(self.client)
            self.requested += 1
            for number in range(rounds):
                works = [self._echo(number), self._progress(number), self._ask(number)]
                if self.client.era == "handshake":
                    works.append(self._change(number))
                await asyncio.gather(*works)
                if self._logs:
                    await self._log(number)
            for method, count in self._expected.items():
                await self.client.arrived(method, count)
            async with asyncio.timeout(PATIENCE):
                answered = [await self._answered.get() for _ in self._asked]
        assert sorted(answered) == sorted(self._asked)
        self._check_what_was_heard(rounds)

    def _check_what_was_heard(self, rounds: int) -> None:
        heard = self.client.notifications
        assert Counter(message.method for message in heard) == self._expected
        logged = [int(float(message.params["data"]["number"])) for message in heard if message.method == LOG]
        assert logged == [*range(1, self._steps + 1)] * (rounds if self._logs else 0)
        assert [message.method for message in self.client.requests] == [ELICITATION] * len(self._asked)
        assert all(answer.status == 202 for answer in self.client.posted)

    async def _call(self, tool: str, number: int, **arguments: Any) -> Any:
        arguments = {"guest": self.name, "number": number, **arguments}
        self.requested += 1
        meta = {"progressToken": number} if tool == "progress" else None
        answer = await self.client.call(tool, arguments, meta=meta)
        return answer.result["structuredContent"]

    async def _echo(self, number: int) -> None:
        text = f"{self.name} says \u2028 {number}"
        assert (await self._call("echo", number, text=text))["arguments"]["text"] == text

    async def _progress(self, number: int) -> None:
        self._expected[PROGRESS] += self._steps
        assert await self._call("progress", number, n=self._steps, ms=2) == {"sent": self._steps}
        # The answer has only just arrived, and all progress was there before it.
        said = [
            (message.params["progress"].text, message.params["total"].text)
            for message in self.client.notifications
            if message.method == PROGRESS and message.params["progressToken"] == number
        ]
        assert said == [(f"{step}.0", f"{self._steps}.00") for step in range(1, self._steps + 1)]

    async def _log(self, number: int) -> None:
        self._expected[LOG] += self._steps
        assert await self._call("log", number, n=self._steps) == {"sent": self._steps}

    async def _change(self, number: int) -> None:
        self._expected.update(CHANGES)
        assert await self._call("change", number, ms=1) == {"announced": 2}

    async def _ask(self, number: int) -> None:
        text = f"What is the name of {self.name}? ({number})"
        asking = {"message": text, "rounds": 2}
        if self.client.era == "handshake":
            self._asked += [text] * 2
            answered = await self._call("ask", number, **asking)
            assert answered == {"answers": [_named(text)] * 2}
            return
        arguments = {"guest": self.name, "number": number, **asking}
        params: dict[str, Any] = {"name": "ask", "arguments": arguments}
        for _ in range(2):
            self.requested += 1
            unfinished = (await self.client.request("tools/call", params)).result
            assert unfinished["inputRequests"]["first"]["params"]["message"] == text
            responses = {"first": _named(text)["result"]}
            params = {
                **params,
                "inputResponses": responses,
                "requestState": unfinished["requestState"],
            }
        self.requested += 1
        finished = await self.client.request("tools/call", params)
        assert finished.result["structuredContent"] == {"answers": responses}

    async def _answer(self, request: Message) -> None:
        text = request.params["message"]
        await self.client.respond(request, _named(text))
        self._answered.put_nowait(text)


def _named(text: str) -> dict[str, Any]:
    return {"result": {"action": "accept", "content": {"name": text}}}
