"""The test servers do what the tests build on, seen through the raw clients without any proxy."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.clients.raw import Era, Message, Number, PipeClient, handshake
from tests.servers import wire_answers as answers
from tests.servers.processes import ended, is_running

ROOT = Path(__file__).resolve().parents[2]
ERAS: list[Era] = ["handshake", "modern"]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def wire(*arguments: str, **options: Any) -> PipeClient:
    return PipeClient([sys.executable, "-m", "tests.servers.wire", *arguments], cwd=ROOT, **options)


@pytest.mark.parametrize("era", ERAS)
def test_wire_opens_in_both_eras(era: Era) -> None:
    async def work() -> None:
        async with wire(era=era) as client:
            opened = await handshake(client)
            if era == "modern":
                assert opened.result["supportedVersions"] == ["2026-07-28"]
                assert list(opened.result)[:3] == ["resultType", "ttlMs", "cacheScope"]
            else:
                assert opened.source("result", "serverInfo") == answers.SERVER_INFO
            assert (await client.request("ping")).text.startswith('{"jsonrpc":"2.0","id":2,"result":{')

    run(work())


def test_wire_refuses_the_era_that_it_does_not_speak() -> None:
    async def work() -> None:
        async with wire("--era", "handshake", era="modern") as client:
            assert (await handshake(client)).error["code"] == -32601
        async with wire("--era", "modern") as client:
            assert (await handshake(client)).error["data"]["supported"] == ["2026-07-28"]
            assert (await client.request("tools/list")).error["code"] == -32602

    run(work())


def test_wire_runs_by_path_and_logs_lines(tmp_path: Path) -> None:
    async def work() -> None:
        log = tmp_path / "log"
        path = str(ROOT / "tests/servers/wire.py")
        async with PipeClient([sys.executable, path, "--log", str(log)], cwd=tmp_path) as client:
            await client.send_line('{"jsonrpc":"2.0", "id":7,"method":"ping"}')
            await client.request("ping", id="x")
            assert log.read_text().splitlines()[0] == '{"jsonrpc":"2.0", "id":7,"method":"ping"}'
            assert [message.id for message in client.arrivals] == [7, "x"]

    run(work())


@pytest.mark.parametrize("era", ERAS)
def test_echo_gives_back_the_exact_params(era: Era) -> None:
    async def work() -> None:
        meta = f'"_meta":{{"{answers.VERSION_META}":"2026-07-28"}},' if era == "modern" else ""
        params = f'{{{meta}"name": "echo","arguments":{answers.NUMBERS},"x":{answers.STRINGS}}}'
        async with wire(era=era) as client:
            answer = await client.request("tools/call", params)
            assert answer.source("result", "structuredContent") == params
            assert answer.result["structuredContent"]["arguments"]["minusZero"] == Number("-0")
            assert answer.result["structuredContent"]["x"]["lone"] == "\ud800"

    run(work())


@pytest.mark.parametrize("name", list(answers.FIXED))
def test_fixed_results_arrive_as_written(name: str) -> None:
    async def work() -> None:
        async with wire() as client:
            assert (await client.call(name)).source("result") == answers.FIXED[name]

    run(work())


@pytest.mark.parametrize("name", list(answers.ERRORS))
def test_errors_arrive_as_written(name: str) -> None:
    async def work() -> None:
        async with wire() as client:
            assert (await client.call(name)).source("error") == answers.ERRORS[name]

    run(work())


@pytest.mark.parametrize("era", ERAS)
def test_lists_are_paged_and_name_every_tool(era: Era) -> None:
    async def work() -> None:
        async with wire(era=era) as client:
            pages: list[Message] = [await client.request("tools/list")]
            while "nextCursor" in pages[-1].result:
                cursor = pages[-1].result["nextCursor"]
                pages.append(await client.request("tools/list", {"cursor": cursor}))
            names = [tool["name"] for page in pages for tool in page.result["tools"]]
            assert len(pages) == 3
            assert len(set(names)) == len(names) > 20
            assert (await client.request("tools/list", {"cursor": "?"})).error["code"] == -32602
            assert "nextCursor" in (await client.request("resources/list")).result
            missing = await client.request("resources/read", {"uri": "wire://none"})
            assert missing.error["code"] == (-32602 if era == "modern" else -32002)

    run(work())


def test_calls_in_flight_keep_their_notifications_apart() -> None:
    async def work() -> None:
        async with wire() as client:
            slow = asyncio.create_task(client.call("slow", {"ms": 200}))
            token, other = {"progressToken": "a"}, {"progressToken": 5}
            await asyncio.gather(
                client.call("progress", {"n": 2, "ms": 5}, meta=token),
                client.call("progress", {}, meta=other),
            )
            tokens = [message.params["progressToken"] for message in client.notifications]
            assert (tokens.count("a"), tokens.count(Number("5"))) == (2, 3)
            assert client.notifications[0].params["progress"] == Number("1.0")
            await client.call("log", {"n": 2})
            assert not slow.done()
            assert len(client.notifications) == 7
            assert (await slow).result["structuredContent"] == {"slept": 200}
            counts = [(await client.call("counter")).result["structuredContent"]["count"] for _ in "123"]
            assert counts == [1, 2, 3]

    run(work())


def test_two_calls_ask_in_parallel_in_the_handshake_era() -> None:
    async def work() -> None:
        async def answer(request: Message) -> dict[str, Any]:
            if request.method == "roots/list":
                return {"error": {"code": -1, "message": "no roots"}}
            return {"result": {"action": "accept", "content": {"said": request.params.get("message")}}}

        async with wire(on_request=answer) as client:
            first, second, roots = await asyncio.gather(
                client.call("ask", {"message": "one"}),
                client.call("ask", {"message": "two", "rounds": 2}),
                client.call("ask", {"kind": "roots"}),
            )
            assert '{"said": "one"}' in json.dumps(first.result)
            assert json.dumps(second.result).count('{"said": "two"}') == 2
            assert "no roots" in roots.text
            assert max(str(request.method) for request in client.requests) == "roots/list"

    run(work())


def test_asking_in_the_modern_era_needs_the_state_back() -> None:
    async def work() -> None:
        async with wire(era="modern") as client:
            asked = await client.call("ask", {"kind": "sampling"})
            assert asked.result["resultType"] == "input_required"
            assert asked.result["inputRequests"]["first"]["method"] == "sampling/createMessage"
            retry = {
                "name": "ask",
                "arguments": {"kind": "sampling"},
                "inputResponses": {"first": {"role": "assistant", "content": []}},
                "requestState": asked.result["requestState"],
            }
            answer = await client.request("tools/call", retry)
            assert answer.result["structuredContent"]["answers"] == retry["inputResponses"]
            assert (await client.request("tools/call", retry)).error["code"] == -32602

    run(work())


def test_cancelled_calls_stay_silent_and_are_seen() -> None:
    async def work() -> None:
        async with wire() as client:
            with pytest.raises(TimeoutError, match="id 77"):
                await client.call("slow", {"ms": 500}, id=77, timeout=0.2)
            await client.notify("notifications/cancelled", '{"requestId":77, "reason":"x"}')
            await client.notify("notifications/odd")
            with pytest.raises(TimeoutError):
                await client.call("never", timeout=0.4)
            seen = await client.call("seen")
            first, second = json.loads(seen.source("result", "structuredContent"))["notifications"]
            assert '"params":{"requestId":77, "reason":"x"}' in seen.text
            assert first["method"] == "notifications/cancelled"
            assert second == {"method": "notifications/odd"}
            assert 77 not in [message.id for message in client.arrivals]

    run(work())


@pytest.mark.parametrize("era", ERAS)
def test_changes_are_announced(era: Era) -> None:
    async def work() -> None:
        async with wire(era=era) as client:
            if era == "modern":
                wanted = {
                    "notifications": {"toolsListChanged": True, "resourceSubscriptions": ["wire://text"]}
                }
                with pytest.raises(TimeoutError):
                    await client.request("subscriptions/listen", wanted, id="sub", timeout=0.3)
                await client.arrived("notifications/subscriptions/acknowledged")
            await client.call("change")
            (updated,) = await client.arrived("notifications/resources/updated")
            meta = updated.params.get("_meta", {})
            assert meta.get(answers.SUBSCRIPTION_META) == ("sub" if era == "modern" else None)

    run(work())


def test_wire_spawns_speaks_rubbish_and_dies() -> None:
    async def work() -> None:
        async with wire() as client:
            pid = int((await client.call("spawn", {"keeps_pipes": True})).result["structuredContent"]["pid"])
            assert is_running(pid)
            await client.call("rubbish")
            assert client.rubbish == ["this is not JSON"]
            assert len((await client.call("big", {"bytes": 100_000})).text) > 100_000
            assert (await client.request("example/custom", {"a": 1})).result["params"] == {"a": 1}
            with pytest.raises(TimeoutError):  # the grandchild holds stdout open
                await client.call("die", timeout=1)
            assert await client.wait() == 3
            assert "a line on stderr" in client.stderr
        await ended(pid)

    run(work())


def test_wire_needs_nothing_but_the_standard_library() -> None:
    code = "import sys; from tests.servers import wire; print([m for m in sys.modules if m in %r])"
    forbidden = ["mcp", "fastmcp", "mcptap", "orjson", "pydantic"]
    done = subprocess.run(
        [sys.executable, "-c", code % forbidden], cwd=ROOT, env=dict(os.environ), stdout=-1, check=True
    )
    assert done.stdout.strip() == b"[]"
