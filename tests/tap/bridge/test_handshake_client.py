"""A handshake client before a modern server, as a transcript: no process, no socket."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mcptap.exchange import Exchange, RpcError
from mcptap.model import Json
from mcptap.protocol import (
    CAPABILITIES_META,
    CLIENT_INFO_META,
    LOG_LEVEL_META,
    META,
    SERVER_INFO_META,
    VERSION_META,
)
from tests.tap.bridge.scene import ABLE, Client, Ear, Scene, Server, play, until

CALL: Json = {"name": "tool", "arguments": {}, "_meta": {"progressToken": 3}}
FORM: Json = {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}
STAMP = {
    VERSION_META: "2026-07-28",
    CAPABILITIES_META: ABLE,
    CLIENT_INFO_META: {"name": "somebody", "version": "1"},
}


async def call(client: Client, method: str, params: Json | None = None, ear: Ear | None = None) -> Json:
    return await client.request("handshake", method, params, ear)


async def answer_plainly(exchange: Exchange) -> Json:
    return {"resultType": "complete", "content": [], "_meta": {SERVER_INFO_META: {}, "own": True}}


def test_initialize_is_answered_from_discover_and_each_request_says_who_asks() -> None:
    server = Server("modern", tools_call=answer_plainly)

    async def scene(scene: Scene) -> None:
        client = scene.client()
        opened = await client.initialize()
        assert opened["protocolVersion"] == "2025-06-18"
        assert opened["capabilities"] == server.capabilities
        assert await call(client, "tools/call", CALL) == {"content": [], "_meta": {"own": True}}
        assert await call(client, "ping") == {}

    play(server, scene, eagerness="unless it falls back")
    assert [each for each in server.methods if each != "subscriptions/listen"] == [
        "initialize",
        "server/discover",
        "tools/call",
    ]
    assert (dict(server.got)["tools/call"] or {})[META] == {"progressToken": 3, **STAMP}


def test_input_required_becomes_requests_to_the_client_until_the_server_has_enough() -> None:
    rounds: list[Json] = []

    async def want_more(exchange: Exchange) -> Json:
        params = exchange.params or {}
        rounds.append({key: params.get(key) for key in ("inputResponses", "requestState", "name")})
        if len(rounds) == 3:
            return {"resultType": "complete", "content": []}
        requests = {
            "who": {"method": "elicitation/create", "params": FORM},
            "where": {"method": "roots/list"},
        }
        url = {"go": {"method": "elicitation/create", "params": {"mode": "url", "url": "u:", "message": "m"}}}
        wanted = requests if len(rounds) == 1 else url
        return {"resultType": "input_required", "inputRequests": wanted, "requestState": f"s{len(rounds)}"}

    def answer(method: str, params: Json | None) -> Json:
        return {"roots": []} if method == "roots/list" else {"action": "accept"}

    async def scene(scene: Scene) -> None:
        ear = Ear(answer)
        client = scene.client(ear=ear)
        await client.initialize()
        assert await call(client, "tools/call", CALL) == {"content": []}
        assert sorted(method for method, _ in ear.heard[:2]) == ["elicitation/create", "roots/list"]
        visit = ear.heard[2][1] or {}
        assert visit["url"] == "u:"
        assert isinstance(visit["elicitationId"], str)

    play(Server("modern", tools_call=want_more), scene)
    answers: dict[str, Any] = {"who": {"action": "accept"}, "where": {"roots": []}}
    assert rounds == [
        {"inputResponses": None, "requestState": None, "name": "tool"},
        {"inputResponses": answers, "requestState": "s1", "name": "tool"},
        {"inputResponses": {"go": {"action": "accept"}}, "requestState": "s2", "name": "tool"},
    ]


def test_what_the_client_refuses_or_can_not_be_asked_is_the_error_of_its_call() -> None:
    async def want(exchange: Exchange) -> Json:
        requests = {"who": {"method": "elicitation/create", "params": FORM}}
        return {"resultType": "input_required", "inputRequests": requests}

    async def scene(scene: Scene) -> None:
        refusing, unable = scene.client(), scene.client(capabilities={})
        for client, code in ((refusing, -32601), (unable, -32603)):
            await client.initialize()
            with pytest.raises(RpcError) as refused:
                await call(client, "tools/call", CALL)
            assert refused.value.error["code"] == code

    play(Server("modern", tools_call=want), scene)


def test_the_level_that_the_client_has_set_goes_with_each_request() -> None:
    server = Server("modern", tools_call=answer_plainly)

    async def scene(scene: Scene) -> None:
        client = scene.client()
        await client.initialize()
        assert await call(client, "logging/setLevel", {"level": "notice"}) == {}
        await call(client, "tools/call", CALL)
        with pytest.raises(RpcError):
            await call(client, "logging/setLevel", {"level": "loud"})

    play(server, scene)
    assert (dict(server.got)["tools/call"] or {})[META][LOG_LEVEL_META] == "notice"


def test_changes_and_updates_are_listened_for_and_told_outside_any_request() -> None:
    open_streams: list[Exchange] = []

    async def listen(exchange: Exchange) -> Json:
        wanted = (exchange.params or {})["notifications"]
        if wanted.get("resourceSubscriptions") == ["no:1"]:
            wanted = {}
        acknowledged = {"notifications": wanted, "_meta": {"io.modelcontextprotocol/subscriptionId": 1}}
        open_streams.append(exchange)
        try:
            await exchange.notify("notifications/subscriptions/acknowledged", acknowledged)
            await anyio.sleep_forever()
        finally:
            open_streams.remove(exchange)
        return {}

    async def streams(number: int) -> None:
        await until(lambda: len(open_streams) == number)

    async def scene(scene: Scene) -> None:
        client = scene.client()
        await client.initialize()
        await streams(1)
        assert await call(client, "resources/subscribe", {"uri": "a:1"}) == {}
        await streams(2)
        for stream, method, params in (
            (open_streams[1], "notifications/resources/updated", {"uri": "a:1"}),
            (open_streams[0], "notifications/tools/list_changed", {}),
        ):
            signed = {**params, "_meta": {"io.modelcontextprotocol/subscriptionId": 1}}
            await stream.notify(method, signed)
        assert client.ear.heard == [
            ("notifications/resources/updated", {"uri": "a:1"}),
            ("notifications/tools/list_changed", None),
        ]
        with pytest.raises(RpcError):
            await call(client, "resources/subscribe", {"uri": "no:1"})
        assert await call(client, "resources/unsubscribe", {"uri": "a:1"}) == {}
        await streams(1)
        await client.connection.close()
        await streams(0)

    play(Server("modern", subscriptions_listen=listen), scene)


@pytest.mark.parametrize("method", ["tasks/get", "tasks/list", "tasks/result"])
def test_tasks_can_not_be_bridged(method: str) -> None:
    async def scene(scene: Scene) -> None:
        client = scene.client()
        await client.initialize()
        with pytest.raises(RpcError) as refused:
            await call(client, method, {"taskId": "1"})
        assert refused.value.error["code"] == -32601

    play(Server("modern"), scene)


def test_a_result_of_a_kind_that_nobody_knows_is_an_error() -> None:
    async def task(exchange: Exchange) -> Json:
        return {"resultType": "task", "taskId": "1"}

    async def scene(scene: Scene) -> None:
        client = scene.client()
        await client.initialize()
        with pytest.raises(RpcError) as refused:
            await call(client, "tools/call", CALL)
        assert refused.value.error["code"] == -32603
        assert "task" in refused.value.error["message"]

    play(Server("modern", tools_call=task), scene)
