"""Making recorded requests again: at a replay of themselves, and at servers that have changed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastmcp import Client, Context, FastMCP
from fastmcp.client.elicitation import ElicitResult

from mcptap.cassette.format import header_line, interaction_line, message_line, session_line
from mcptap.cassette.index import CassetteIndex
from mcptap.cassette.reader import open_cassette
from mcptap.codec import dumps
from mcptap.comparing.finding import Verdict
from mcptap.comparing.values import Ignored
from mcptap.errors import McptapError, UpstreamError
from mcptap.exchange import Exchange, RpcError, Session, UnansweredError
from mcptap.matching.canonical import capabilities_of, key_of
from mcptap.model import CassetteHeader, Event, Interaction, Json, Message, SessionStart
from mcptap.player import Player
from mcptap.redaction.header import redactor_of
from mcptap.redaction.revealing import Revealer
from mcptap.tap.backends.replay import CassetteBackend
from mcptap.tap.creating import create_tap
from mcptap.tap.verifying import Renewed, verify, verify_live
from mcptap.verifier import Verifier

RECORDINGS = sorted((Path(__file__).parents[2] / "recordings").glob("*.jsonl"))
pytestmark = pytest.mark.anyio


class Server:
    """A backend that answers by a function; what it was sent is kept."""

    def __init__(self, answer: Callable[[Exchange], Any]) -> None:
        self._answer = answer
        self.sent: list[tuple[str, Json | None]] = []
        self.open = 0

    @contextlib.asynccontextmanager
    async def session(self, session: Session) -> AsyncIterator[Server]:
        self.open += 1
        try:
            yield self
        finally:
            self.open -= 1

    async def request(self, exchange: Exchange) -> Json:
        self.sent.append((exchange.method, exchange.params))
        answer = self._answer(exchange)
        result: Json = await answer if hasattr(answer, "__await__") else answer
        return result

    async def notify(self, method: str, params: Json | None) -> None:
        self.sent.append((method, params))


def cassette(path: Path, *records: Interaction | Message, **header: Any) -> Path:
    lines = [
        header_line(CassetteHeader("1", "2026-11-22T20:00:00.000Z", "mcptap", **header)),
        session_line(SessionStart(1, 0.0, "handshake", "http", None)),
        *(
            interaction_line(each) if isinstance(each, Interaction) else message_line(each)
            for each in records
        ),
    ]
    path.write_bytes(b"".join(dumps(line) + b"\n" for line in lines))
    return path


def call(seq: int, params: Json | None, result: Json | None = None, **more: Any) -> Interaction:
    return Interaction(seq, 1, seq / 10, more.pop("method", "tools/call"), params, result=result, **more)


async def verified(path: Path, backend: Any, *ignored: str, **options: Any) -> list[Verdict]:
    """Verify a cassette at a backend, or at what `create_tap` would connect to."""
    opened = open_cassette(path)
    index = CassetteIndex.of([opened], key_of, capabilities_of)
    revealer = Revealer(options.pop("secrets", ()), opened.header.salt or "")
    verifier = Verifier(index, Ignored(ignored), redactor_of(opened.header), revealer)
    verdicts: list[Verdict] = []

    def on_verdict(verdict: Verdict, renewed: Renewed) -> None:
        verdicts.append(verdict)

    work = verify if hasattr(backend, "session") else verify_live
    await work(backend, index, verifier, on_verdict, **options)
    return verdicts


def findings(verdicts: list[Verdict]) -> list[tuple[int, str]]:
    return [(verdict.seq, finding.text) for verdict in verdicts for finding in verdict.findings]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
async def test_a_recording_holds_against_a_replay_of_itself(path: Path) -> None:
    opened = open_cassette(path)
    player = Player(CassetteIndex.of([opened], key_of, capabilities_of))
    misses: list[str] = []
    troubles: list[McptapError] = []
    backend = CassetteBackend(player, misses.append, troubles.append)
    verdicts = await verified(path, backend)
    assert len(verdicts) == len(list(opened.interactions()))
    assert [verdict for verdict in verdicts if verdict.state != "same"] == []
    assert misses == []
    assert troubles == []


def toolbox(*, changed: bool = False) -> FastMCP[None]:
    server: FastMCP[None] = FastMCP(
        "box", version="2" if changed else "1", list_page_size=1 if changed else None
    )

    @server.tool
    async def who(context: Context) -> str:
        """Ask for a name."""
        answer = await context.elicit("Your first name?" if changed else "Your name?", str)
        return str(getattr(answer, "data", None))

    @server.tool
    def add(a: int, b: int = 0) -> int:
        """Add."""
        return a + b + changed

    if changed:

        @server.tool(name="greet")
        def greet_loudly(name: str, loudness: int) -> str:
            """Greet loudly."""
            return f"{name}!"
    else:

        @server.tool
        def greet(name: str) -> str:
            """Greet."""
            return name

        @server.tool
        def leave() -> None:
            """Leave."""

    return server


async def record(server: FastMCP[None], path: Path, mode: Any) -> None:
    async def answer(*_: Any) -> ElicitResult[Any]:
        return ElicitResult(action="accept", content={"value": "Ada"})

    tap = create_tap(server, cassette=path)
    async with Client(tap, elicitation_handler=answer, mode=mode) as client:
        await client.list_tools()
        await client.call_tool("add", {"a": 1})
        await client.call_tool("greet", {"name": "Ada"})
        if mode == "legacy":
            await client.call_tool("who")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_server_that_is_the_same_is_found_to_be_so(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    await record(toolbox(), path, mode)
    verdicts = await verified(path, toolbox())
    assert findings(verdicts) == []
    assert {verdict.state for verdict in verdicts} == {"same"}
    assert all(verdict.live_ms is not None for verdict in verdicts)


async def test_what_has_changed_is_found_whatever_the_size_of_the_pages(tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    await record(toolbox(), path, "legacy")
    verdicts = await verified(path, toolbox(changed=True))
    by_method = {verdict.about: verdict for verdict in verdicts}
    assert {(each.severity, each.about, each.text) for each in by_method["tools/list"].findings} == {
        ("compatible", "tool greet", "its description"),
        ("breaking", "tool greet", "what it takes: newly required: loudness"),
        ("compatible", "tool greet", "what it takes: a new property"),
        ("breaking", "tool leave", "the tool is gone"),
    }
    assert "pages: recorded 1, live 3" in by_method["tools/list"].notes
    assert {each.path for each in by_method["tool add"].findings} == {
        "$.content[0].text",
        "$.structuredContent.result",
    }
    assert ("difference", "$.message") in {
        (each.severity, each.path) for each in by_method["tool who"].findings
    }
    assert by_method["initialize"].findings == ()
    assert by_method["initialize"].notes == ("serverInfo: recorded box 1, live box 2",)


async def test_a_question_is_answered_as_it_was_and_told_where_it_is_new_or_gone(tmp_path: Path) -> None:
    question = Event(1.0, "server", "elicitation/create", {"message": "a"}, {"action": "accept"}, ms=1.0)
    path = cassette(tmp_path / "rec.jsonl", call(1, None, {}, events=(question,)), call(2, None, {}))
    heard: list[Any] = []

    async def asks_later(exchange: Exchange) -> Json:
        if len(server.sent) == 2:
            try:
                heard.append(await exchange.ask("elicitation/create", {"message": "a"}))
            except RpcError as error:
                heard.append(error.error["code"])
        return {}

    server = Server(asks_later)
    verdicts = await verified(path, server)
    assert findings(verdicts) == [
        (1, "the server doesn't ask elicitation/create any more"),
        (2, "the server asks elicitation/create, which it did not when it was recorded"),
    ]
    assert heard == [-32601]


async def test_the_roots_are_given_whenever_they_are_asked_for(tmp_path: Path) -> None:
    asked = Event(1.0, "server", "roots/list", None, {"roots": [{"uri": "file:///a"}]}, ms=1.0)
    path = cassette(tmp_path / "rec.jsonl", call(1, None, {}), call(2, None, {}, events=(asked,)))
    heard: list[Any] = []

    async def asks_twice(exchange: Exchange) -> Json:
        if len(server.sent) == 1:
            heard.extend([await exchange.ask("roots/list", None) for _ in range(2)])
            heard.append(await exchange.session.channel.ask("ping", None))
        return {}

    server = Server(asks_twice)
    assert findings(await verified(path, server)) == []
    assert heard == [asked.result, asked.result, {}]


async def test_a_question_that_was_never_answered_stays_so_until_it_is_taken_back(tmp_path: Path) -> None:
    asked = Event(1.0, "server", "elicitation/create", {"message": "a"}, ms=5.0)
    path = cassette(tmp_path / "rec.jsonl", call(1, None, {"a": 1}, events=(asked,)))

    async def takes_back(exchange: Exchange) -> Json:
        with anyio.move_on_after(0.05) as scope:
            await exchange.ask("elicitation/create", {"message": "a"})
        return {"a": int(scope.cancelled_caught)}

    assert findings(await verified(path, Server(takes_back))) == []


async def test_what_the_server_issues_is_sent_back_to_it(tmp_path: Path) -> None:
    path = cassette(
        tmp_path / "rec.jsonl",
        call(1, {"name": "x"}, {"resultType": "input_required", "requestState": "old"}),
        call(2, {"name": "x", "requestState": "old"}, {"content": []}),
        call(3, {"taskId": "never issued"}, {}, method="tasks/get"),
    )
    states = iter([{"resultType": "input_required", "requestState": "new"}, {"content": []}, {}])
    server = Server(lambda _: next(states))
    assert findings(await verified(path, server)) == []
    assert [params for _, params in server.sent] == [
        {"name": "x"},
        {"name": "x", "requestState": "new"},
        {"taskId": "never issued"},
    ]


async def test_what_can_not_go_on_is_skipped_and_says_why(tmp_path: Path) -> None:
    path = cassette(
        tmp_path / "rec.jsonl",
        call(1, None, {"resultType": "input_required", "requestState": "old"}),
        call(2, {"requestState": "old"}, {}),
        call(3, None, outcome="cancelled"),
        call(4, None, outcome="unanswered"),
    )
    server = Server(lambda _: {"content": []})
    verdicts = await verified(path, server)
    assert [verdict.state for verdict in verdicts] == ["differs", "skipped", "skipped", "skipped"]
    assert "requestState" in str(verdicts[1].skipped)
    assert "cancelled" in str(verdicts[2].skipped)
    assert len(server.sent) == 1


async def test_a_task_is_polled_until_it_is_as_far_as_it_was(tmp_path: Path) -> None:
    def state(status: str) -> dict[str, Any]:
        return {"taskId": "t", "status": status, "createdAt": "then", "pollInterval": 1}

    path = cassette(
        tmp_path / "rec.jsonl",
        call(1, None, state("working")),
        call(2, {"taskId": "t"}, state("working"), method="tasks/get"),
        call(3, {"taskId": "t"}, state("completed"), method="tasks/get"),
    )
    now = iter(["working", "working", "working", "working", "completed"])
    server = Server(lambda _: {**state(next(now)), "taskId": "u", "createdAt": "now"})
    assert findings(await verified(path, server)) == []
    assert [params for _, params in server.sent] == [None, *[{"taskId": "u"}] * 4]


async def test_a_server_that_hangs_is_waited_for_a_while_and_nothing_leaks(tmp_path: Path) -> None:
    path = cassette(tmp_path / "rec.jsonl", *(call(seq, None, {}) for seq in range(1, 7)))
    cancelled = 0

    async def hangs(exchange: Exchange) -> Json:
        nonlocal cancelled
        if exchange.id == 1:
            return {}
        try:
            await anyio.sleep_forever()
        finally:
            cancelled += 1
        raise AssertionError

    server = Server(hangs)
    verdicts = await verified(path, server, patience=0.02)
    assert [verdict.state for verdict in verdicts] == ["same", *["differs"] * 3, *["skipped"] * 2]
    assert verdicts[1].findings[0].text == "no answer: none within 0.02 s"
    assert (cancelled, server.open) == (3, 0)


async def test_pages_without_an_end_have_one(tmp_path: Path) -> None:
    path = cassette(tmp_path / "rec.jsonl", call(1, None, {"tools": []}, method="tools/list"))
    server = Server(lambda _: {"tools": [], "nextCursor": "again"})
    (verdict,) = await verified(path, server)
    assert [each.text for each in verdict.findings] == ["no answer: its pages have no end"]


async def test_a_server_that_answers_nothing_can_not_be_reached(tmp_path: Path) -> None:
    path = cassette(tmp_path / "rec.jsonl", call(1, None, {}), call(2, None, {}))

    def gone(exchange: Exchange) -> Json:
        raise UnansweredError.of(-32000, "gone")

    with pytest.raises(UpstreamError, match="gone"):
        await verified(path, Server(gone))


async def test_clients_say_again_what_they_said_between_requests_and_in_its_place(tmp_path: Path) -> None:
    path = cassette(
        tmp_path / "rec.jsonl",
        call(1, None, {}, method="initialize"),
        Message(1, 0.15, "client", "notifications/initialized"),
        Message(1, 0.16, "client", "notifications/cancelled", {"requestId": 1}),
        Message(1, 0.17, "server", "notifications/tools/list_changed"),
        call(2, {"a": 1}, {}),
    )
    server = Server(lambda _: {})
    await verified(path, server)
    assert [method for method, _ in server.sent] == ["initialize", "notifications/initialized", "tools/call"]


async def test_secrets_that_were_redacted_are_compared_and_sent_if_they_are_given(tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    server: FastMCP[None] = FastMCP("vault")

    @server.tool
    def login(user: str, password: str) -> dict[str, str]:
        return {"token": "t-4711-0815", "hello": f"{user}, {password}"}

    @server.tool
    def token() -> dict[str, str]:
        return {"token": "t-4711-0815"}

    async with Client(create_tap(server, cassette=path)) as client:
        await client.call_tool("login", {"user": "ann", "password": "correct-horse"})
        await client.call_tool("token")
    assert "correct-horse" not in path.read_text()
    without = {verdict.target: verdict for verdict in await verified(path, server)}
    assert "password" in str(without["login"].skipped)
    assert without["token"].state == "same"
    given = {verdict.target: verdict for verdict in await verified(path, server, secrets=["correct-horse"])}
    assert given["login"].state == "same"
    wrong = {verdict.target: verdict for verdict in await verified(path, server, secrets=["battery-staple"])}
    assert wrong["login"].state == "skipped"


async def test_one_request_without_an_answer_does_not_keep_others_from_being_made(tmp_path: Path) -> None:
    path = cassette(tmp_path / "rec.jsonl", *(call(seq, None, {}) for seq in range(1, 4)))

    def sometimes(exchange: Exchange) -> Json:
        if exchange.id == 2:
            raise UnansweredError.of(-32000, "it broke")
        return {}

    assert findings(await verified(path, Server(sometimes))) == [(2, "no answer: it broke")]


async def renewed(path: Path, backend: Any, *, secrets: tuple[str, ...] = ()) -> dict[int, Interaction]:
    """What an update would write into a cassette, by ``seq``."""
    opened = open_cassette(path)
    index = CassetteIndex.of([opened], key_of)
    revealer = Revealer(secrets, opened.header.salt or "")
    verifier = Verifier(index, Ignored(), redactor_of(opened.header), revealer)
    found: dict[int, Interaction] = {}

    def on_verdict(verdict: Verdict, give: Renewed) -> None:
        found.update((each.seq, each) for each in give())

    await verify(backend, index, verifier, on_verdict)
    return found


async def test_an_update_keeps_what_the_server_had_issued_so_that_the_rest_goes_on_with_it(
    tmp_path: Path,
) -> None:
    path = cassette(
        tmp_path / "rec.jsonl",
        call(1, {"name": "x"}, {"resultType": "input_required", "requestState": "old", "a": 1}),
        call(2, {"name": "x", "requestState": "old"}, {"content": []}),
    )
    answers = iter([{"resultType": "input_required", "requestState": "new", "a": 2}, {"content": [1]}])
    found = await renewed(path, Server(lambda _: next(answers)))
    assert found[1].result == {"resultType": "input_required", "requestState": "old", "a": 2}
    assert found[2].params == {"name": "x", "requestState": "old"}
    assert found[2].result == {"content": [1]}


@pytest.mark.parametrize(
    ("live", "kept"),
    [
        (["ab", "c"], ["ab", "c"]),
        (["a", "b", "cd"], ["a", "bcd"]),
        (["abcd"], ["abcd", "b"]),
        (["", "d"], ["", "d"]),
    ],
)
async def test_an_update_of_a_listing_keeps_its_pages(
    live: list[str], kept: list[str], tmp_path: Path
) -> None:
    def page(names: str, following: str | None) -> dict[str, Any]:
        return {
            "tools": [{"name": name} for name in names],
            **({"nextCursor": following} if following else {}),
        }

    path = cassette(
        tmp_path / "rec.jsonl",
        call(1, None, page("a", "old"), method="tools/list"),
        call(2, {"cursor": "old"}, page("b", None), method="tools/list"),
    )
    answers = iter([page(names, f"new {n}" if n < len(live) else None) for n, names in enumerate(live, 1)])
    found = await renewed(path, Server(lambda _: next(answers)))
    recorded = {each.seq: each for each in open_cassette(path).interactions()} | found
    results = [recorded[seq].result or {} for seq in (1, 2)]
    assert ["".join(tool["name"] for tool in result["tools"]) for result in results] == kept
    assert [result.get("nextCursor") for result in results] == ["old" if len(live) > 1 else None, None]


async def test_an_update_has_no_secret_that_was_given(tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    server: FastMCP[None] = FastMCP("vault")

    @server.tool
    def login(password: str) -> dict[str, str]:
        return {"hello": password}

    async with Client(create_tap(server, cassette=path)) as client:
        await client.call_tool("login", {"password": "correct-horse"})

    def other(exchange: Exchange) -> Json:
        return {"content": [], "said": f"correct-horse: {exchange.params}"}

    found = await renewed(path, Server(other), secrets=("correct-horse",))
    (answer,) = [each for each in found.values() if each.method == "tools/call"]
    assert "correct-horse" not in str(answer)
    assert "‹redacted:password:" in str(answer.result)
