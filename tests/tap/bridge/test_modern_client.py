"""A modern client before a handshake server, as a transcript: no process, no socket."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from mcptap.exchange import Exchange, RpcError
from mcptap.model import Json
from mcptap.protocol import CAPABILITIES_META, LOG_LEVEL_META, SERVER_INFO_META, SUBSCRIPTION_META
from tests.tap.bridge.scene import Client, Ear, Scene, Server, play, until

FORM: Json = {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}
ADA: Json = {"action": "accept", "content": {"name": "Ada"}}
CALL: Json = {"name": "tool", "arguments": {}}


async def ask_for_a_name(exchange: Exchange) -> Json:
    return {"content": [await exchange.ask("elicitation/create", FORM)]}


async def answer_plainly(exchange: Exchange) -> Json:
    return {"content": [], "extra": 1.5, "_meta": {"own": True}}


def back(answered: Json, *answers: Json) -> dict[str, Any]:
    """The retry of a call with the client's answers."""
    responses = dict(zip(answered["inputRequests"], answers, strict=False))
    return {**CALL, "inputResponses": responses, "requestState": answered["requestState"]}


def test_what_the_client_says_in_each_request_is_said_once_in_initialize() -> None:
    server = Server("handshake", tools_call=answer_plainly)

    async def scene(scene: Scene) -> None:
        answer = await scene.client(name="mine").modern("tools/call", CALL)
        assert answer["resultType"] == "complete"
        assert answer["extra"] == 1.5
        assert answer["_meta"] == {"own": True, SERVER_INFO_META: {"name": "scene", "version": "1"}}

    play(server, scene)
    assert server.methods == ["server/discover", "initialize", "notifications/initialized", "tools/call"]
    assert server.got[1][1] == {
        "protocolVersion": "2025-11-25",
        "capabilities": {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}},
        "clientInfo": {"name": "mine", "version": "1"},
    }
    assert server.got[3][1] == CALL


def test_a_client_that_may_fall_back_is_told_that_the_server_is_old_and_bridged_if_it_asks_again() -> None:
    server = Server("handshake")

    async def scene(scene: Scene) -> None:
        client = scene.client()
        with pytest.raises(RpcError) as refused:
            await client.modern("server/discover")
        assert refused.value.error["code"] == -32601
        assert (await client.modern("server/discover"))["supportedVersions"] == ["2026-07-28"]

        falls_back = scene.client()
        with pytest.raises(RpcError):
            await falls_back.modern("server/discover")
        assert (await falls_back.initialize())["protocolVersion"] == "2025-11-25"
        with pytest.raises(RpcError):
            await falls_back.modern("server/discover")

    play(server, scene, eagerness="unless it falls back")


def test_the_user_learns_of_a_client_that_gives_up_when_it_is_refused_and_of_no_other() -> None:
    async def scene(scene: Scene) -> None:
        gives_up, falls_back, insists, late = (
            scene.client(name=name) for name in ("gives up", "falls back", "insists", "late")
        )
        for client in (gives_up, falls_back, insists):
            with pytest.raises(RpcError):
                await client.modern("server/discover")
        await falls_back.initialize()
        await insists.modern("tools/call", {"name": "x"})
        for client in (falls_back, insists):
            await client.connection.close()
        assert scene.hints == []
        await gives_up.connection.close()
        assert ["--bridge auto" in each for each in scene.hints] == [True]
        scene.bridge.falls_back_within = 0
        with pytest.raises(RpcError):
            await late.modern("server/discover")
        await until(lambda: len(scene.hints) == 2)

    play(Server("handshake", tools_call=answer_plainly), scene, eagerness="unless it falls back")


def test_a_question_becomes_input_required_and_the_retry_resumes_the_same_call() -> None:
    server = Server("handshake", tools_call=ask_for_a_name)

    async def scene(scene: Scene) -> None:
        client = scene.client()
        asked = await client.modern("tools/call", CALL)
        assert asked["resultType"] == "input_required"
        assert list(asked["inputRequests"].values()) == [{"method": "elicitation/create", "params": FORM}]
        answer = await client.modern("tools/call", back(asked, ADA))
        assert answer["content"] == [ADA]

    play(server, scene)
    assert server.methods.count("tools/call") == 1


def test_questions_at_once_come_together_and_what_stays_unanswered_is_asked_again() -> None:
    async def ask_twice(exchange: Exchange) -> Json:
        answers: dict[str, Json] = {}

        async def ask(name: str, method: str, params: Json | None) -> None:
            answers[name] = await exchange.ask(method, params)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "name", "elicitation/create", FORM)
            tasks.start_soon(ask, "roots", "roots/list", None)
        third = await exchange.ask("sampling/createMessage", {"messages": [], "maxTokens": 1})
        return {"content": [answers["name"], answers["roots"], third]}

    async def scene(scene: Scene) -> None:
        client = scene.client()
        first = await client.modern("tools/call", CALL)
        assert [each["method"] for each in first["inputRequests"].values()] == [
            "elicitation/create",
            "roots/list",
        ]
        second = await client.modern("tools/call", back(first, ADA))
        assert [each["method"] for each in second["inputRequests"].values()] == ["roots/list"]
        third = await client.modern("tools/call", back(second, {"roots": []}))
        answer = await client.modern("tools/call", back(third, {"role": "assistant"}))
        assert answer["content"] == [ADA, {"roots": []}, {"role": "assistant"}]

    play(Server("handshake", tools_call=ask_twice), scene)


def test_calls_in_parallel_are_resumed_in_any_order_each_with_its_own_answer() -> None:
    async def echo(exchange: Exchange) -> Json:
        answer = await exchange.ask("elicitation/create", FORM)
        return {"content": [(exchange.params or {})["arguments"], answer]}

    async def scene(scene: Scene) -> None:
        client = scene.client()
        calls = [{**CALL, "arguments": {"number": number}} for number in range(5)]
        asked = [await client.modern("tools/call", call) for call in calls]
        for number in (3, 0, 4, 1, 2):
            answer = {"action": "accept", "content": {"of": number}}
            retry = {**back(asked[number], answer), **calls[number]}
            result = await client.modern("tools/call", retry)
            assert result["content"] == [{"number": number}, answer]

    play(Server("handshake", tools_call=echo), scene)


async def refuses(client: Client, retry: Json) -> None:
    with pytest.raises(RpcError) as refused:
        await client.modern("tools/call", retry)
    assert refused.value.error["code"] == -32602
    assert "requestState" in refused.value.error["message"]


def test_a_state_that_is_forged_replayed_of_another_request_or_of_another_client_is_refused() -> None:
    async def scene(scene: Scene) -> None:
        client, other = scene.client(), scene.client()
        await other.modern("server/discover")
        asked = await client.modern("tools/call", CALL)
        await refuses(client, {**back(asked, ADA), "requestState": asked["requestState"] + "x"})
        await refuses(client, {**back(asked, ADA), "requestState": 7})
        await refuses(client, {**back(asked, ADA), "name": "another"})
        await refuses(other, back(asked, ADA))
        assert (await client.modern("tools/call", back(asked, ADA)))["content"] == [ADA]
        await refuses(client, back(asked, ADA))

    play(Server("handshake", tools_call=ask_for_a_name), scene)


def test_the_call_of_a_client_that_does_not_come_back_is_cancelled_and_its_state_has_expired() -> None:
    server = Server("handshake", tools_call=ask_for_a_name)

    async def scene(scene: Scene) -> None:
        client = scene.client()
        asked = await client.modern("tools/call", CALL)
        await until(lambda: server.cancelled)
        assert server.cancelled == [{"reason": "the client did not come back"}]
        await refuses(client, back(asked, ADA))

    play(server, scene, lifetime=0.1)


@pytest.mark.parametrize("waiting", [True, False])
def test_a_client_that_leaves_takes_its_calls_along(waiting: bool) -> None:
    async def hang(exchange: Exchange) -> Json:
        await anyio.sleep_forever()
        raise AssertionError

    server = Server("handshake", tools_call=hang if waiting else ask_for_a_name)

    async def scene(scene: Scene) -> None:
        client = scene.client()
        if waiting:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.modern, "tools/call", CALL)
                await until(lambda: "tools/call" in server.methods)
                tasks.cancel_scope.cancel()
        else:
            await client.modern("tools/call", CALL)
            await client.connection.close()
        await until(lambda: server.cancelled)

    play(server, scene)


def test_a_client_that_can_not_be_asked_gets_the_error_that_names_the_capability() -> None:
    server = Server("handshake", tools_call=ask_for_a_name)

    async def scene(scene: Scene) -> None:
        with pytest.raises(RpcError) as refused:
            await scene.client(capabilities={"sampling": {}}).modern("tools/call", CALL)
        assert refused.value.error["code"] == -32021
        assert refused.value.error["data"] == {"requiredCapabilities": {"elicitation": {}}}

    play(server, scene)


def test_an_url_that_must_be_visited_first_is_asked_for_and_the_call_is_made_again() -> None:
    visits = [{"elicitationId": "1", "url": "https://example.com/", "message": "Go"}]
    calls: list[Json | None] = []

    async def want_visit(exchange: Exchange) -> Json:
        calls.append(exchange.params)
        if len(calls) == 1:
            raise RpcError.of(-32042, "Go there first", {"elicitations": visits})
        return {"content": []}

    async def scene(scene: Scene) -> None:
        client = scene.client()
        asked = await client.modern("tools/call", CALL)
        (request,) = asked["inputRequests"].values()
        assert request["params"] == {"mode": "url", "url": "https://example.com/", "message": "Go"}
        assert (await client.modern("tools/call", back(asked, {"action": "accept"})))["content"] == []
        assert calls == [CALL, CALL]

    play(Server("handshake", tools_call=want_visit), scene)


def test_a_question_outside_any_request_is_put_to_the_next_call_before_the_call_is_made() -> None:
    server = Server("handshake", tools_call=answer_plainly)
    answers: list[Json] = []

    async def scene(scene: Scene) -> None:
        client = scene.client()
        await client.modern("server/discover")
        session = next(each for each in server.sessions if each.era == "handshake")

        async def ask() -> None:
            answers.append(await session.channel.ask("roots/list", None))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            asked = await client.modern("tools/call", CALL)
            assert [each["method"] for each in asked["inputRequests"].values()] == ["roots/list"]
            assert "tools/call" not in server.methods
            answer = await client.modern("tools/call", back(asked, {"roots": []}))
            assert answer["extra"] == 1.5
        assert answers == [{"roots": []}]

    play(server, scene)


def test_log_messages_and_progress_go_to_the_request_that_wants_them() -> None:
    async def talk(exchange: Exchange) -> Json:
        for level in ("debug", "warning"):
            await exchange.notify("notifications/message", {"level": level, "data": level})
        await exchange.notify("notifications/progress", {"progressToken": 1, "progress": 1})
        await exchange.ask("elicitation/create", FORM)
        await exchange.notify("notifications/progress", {"progressToken": 1, "progress": 2})
        return {"content": []}

    server = Server("handshake", tools_call=talk)

    async def scene(scene: Scene) -> None:
        client, ears = scene.client(), [Ear(), Ear()]
        meta = {LOG_LEVEL_META: "info", "progressToken": "first"}
        asked = await client.modern("tools/call", CALL, ear=ears[0], meta=meta)
        assert ears[0].heard == [
            ("notifications/message", {"level": "warning", "data": "warning"}),
            ("notifications/progress", {"progressToken": "first", "progress": 1}),
        ]
        await client.modern("tools/call", back(asked, ADA), ear=ears[1], meta={"progressToken": 7})
        assert ears[1].heard == [("notifications/progress", {"progressToken": 7, "progress": 2})]
        silent = Ear()
        await client.modern("tools/call", CALL, ear=silent)
        assert silent.heard == []
        with pytest.raises(RpcError):
            await client.modern("tools/call", CALL, meta={LOG_LEVEL_META: "loud"})

    play(server, scene)
    assert [params for method, params in server.got if method == "logging/setLevel"] == [{"level": "info"}]


def test_a_subscription_is_acknowledged_told_what_it_wants_and_taken_back_with_its_stream() -> None:
    server = Server("handshake")

    async def scene(scene: Scene) -> None:
        client, ear = scene.client(), Ear()
        wanted = {
            "toolsListChanged": True,
            "promptsListChanged": True,
            "resourceSubscriptions": ["a:1", "a:1"],
        }
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                lambda: client.modern("subscriptions/listen", {"notifications": wanted}, ear=ear)
            )
            acknowledged = await ear.hears("notifications/subscriptions/acknowledged")
            assert acknowledged == {
                "notifications": {"toolsListChanged": True, "resourceSubscriptions": ["a:1"]},
                "_meta": {SUBSCRIPTION_META: 1},
            }
            channel = next(each for each in server.sessions if each.era == "handshake").channel
            await channel.notify("notifications/resources/updated", {"uri": "b:2"})
            await channel.notify("notifications/prompts/list_changed", None)
            await channel.notify("notifications/resources/updated", {"uri": "a:1"})
            await channel.notify("notifications/tools/list_changed", None)
            await ear.hears("notifications/tools/list_changed")
            assert ear.heard[1:] == [
                ("notifications/resources/updated", {"uri": "a:1", "_meta": {SUBSCRIPTION_META: 1}}),
                ("notifications/tools/list_changed", {"_meta": {SUBSCRIPTION_META: 1}}),
            ]
            assert server.methods.count("resources/subscribe") == 1
            tasks.cancel_scope.cancel()
        assert server.got[-1] == ("resources/unsubscribe", {"uri": "a:1"})

    play(server, scene)


def test_a_changed_list_is_heard_in_every_session_of_a_client_once_at_a_time() -> None:
    """What a client can do may differ between requests, and so its sessions do."""

    async def no_tools(_: Exchange) -> Json:
        return {"tools": []}

    server = Server("handshake", tools_list=no_tools)

    async def scene(scene: Scene) -> None:
        client, other, ear, afar = scene.client(), scene.client(name="other"), Ear(), Ear()
        wanted = {"notifications": {"toolsListChanged": True}}
        async with anyio.create_task_group() as tasks:
            for each, heard in ((client, ear), (other, afar)):
                tasks.start_soon(partial(each.modern, "subscriptions/listen", wanted, ear=heard))
                await heard.hears("notifications/subscriptions/acknowledged")
            await client.modern("tools/list", meta={CAPABILITIES_META: {}})
            await client.modern("tools/list", meta={CAPABILITIES_META: {"roots": {}}})
            opened = [each for each in server.sessions if each.era == "handshake"]
            assert len(opened) == 4
            for session in (opened[2], opened[3]):
                await session.channel.notify("notifications/tools/list_changed", {"said": "elsewhere"})
            await opened[2].channel.notify("notifications/resources/updated", {"uri": "a:1"})
            await ear.hears("notifications/tools/list_changed")
            await opened[0].channel.notify("notifications/tools/list_changed", {"said": "here"})
            await until(lambda: len(ear.heard) == 3)
            assert ear.heard[1:] == [
                ("notifications/tools/list_changed", {"_meta": {SUBSCRIPTION_META: 1}}),
                ("notifications/tools/list_changed", {"said": "here", "_meta": {SUBSCRIPTION_META: 1}}),
            ]
            assert len(afar.heard) == 1
            tasks.cancel_scope.cancel()

    play(server, scene)


@pytest.mark.parametrize(
    "method",
    [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "tasks/get",
        "tasks/list",
        "tasks/update",
    ],
)
def test_what_has_no_place_in_the_modern_era_or_can_not_be_bridged_is_an_error(method: str) -> None:
    async def scene(scene: Scene) -> None:
        client = scene.client()
        await client.modern("server/discover")
        with pytest.raises(RpcError) as refused:
            await client.modern(method)
        assert refused.value.error["code"] == -32601
        assert method in refused.value.error["message"]

    play(Server("handshake"), scene)


def test_custom_requests_and_notifications_pass() -> None:
    server = Server("handshake", x_own=answer_plainly)

    async def scene(scene: Scene) -> None:
        client = scene.client()
        assert (await client.modern("x/own", {"requestState": "its own"}))["extra"] == 1.5
        await client.notify("modern", "notifications/x/own", {"a": 1})

    play(server, scene)
    assert server.got[-2:] == [("x/own", {"requestState": "its own"}), ("notifications/x/own", {"a": 1})]


def test_no_two_clients_share_a_session() -> None:
    server = Server("handshake", tools_call=answer_plainly)

    async def scene(scene: Scene) -> None:
        for _ in range(3):
            await scene.client().modern("tools/call", CALL)

    play(server, scene)
    assert len([each for each in server.sessions if each.era == "handshake"]) == 3
