"""`mcptap import`: what another tool has recorded is replayed as it was said."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from mcptap.cassette.examination import examine
from mcptap.cassette.reader import Cassette, open_cassette
from mcptap.cli import mcptap
from mcptap.errors import CassetteError
from mcptap.model import Event, Message, SessionStart, Target
from tests.clients.raw import PipeClient
from tests.http.running import MCPTAP
from tests.importing.samples import (
    BEGAN,
    CONVERSATION,
    FORM,
    HELLO,
    WELCOME,
    notification,
    npm,
    npm_header,
    pypi,
    pypi_message,
    rec,
    recorder,
    request,
    result,
    text,
)

GITHUB = "ghp_" + "a1B2" * 9
TRANSCRIPTS: list[Callable[..., bytes]] = [pypi, npm, rec]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(mcptap, ["import", *map(str, arguments)], standalone_mode=False)


def imported(folder: Path, content: bytes, *options: str) -> tuple[Cassette, Result]:
    source, target = folder / "recording", folder / "imported.jsonl"
    source.write_bytes(content)
    done = run(source, "-o", target, *options)
    assert done.exception is None, done.exception
    assert [each for each in examine(target).findings if each.is_problem] == []
    return open_cassette(target), done


@pytest.mark.parametrize("written", TRANSCRIPTS, ids=lambda each: each.__name__)
def test_what_was_said_is_in_the_cassette(written: Callable[..., bytes], tmp_path: Path) -> None:
    found, done = imported(tmp_path, written(CONVERSATION))
    assert found.header.recorded_at == "2026-11-22T00:00:00.000Z"
    assert found.header.upstream is not None
    assert (found.header.upstream.name, found.header.upstream.transport) == ("weather", "stdio")
    assert found.sessions() == (SessionStart(1, 0.0, "handshake", "stdio", {"name": "c", "version": "1"}),)
    assert [each for each in found.records() if isinstance(each, Message)] == [
        Message(1, 0.1, "client", "notifications/initialized"),
        Message(1, 0.2, "server", "notifications/tools/list_changed"),
    ]
    hello, quick, slow, absent, endless, dead = found.interactions()
    assert (hello.params, hello.result, hello.ms) == (HELLO["params"], WELCOME["result"], 100.0)
    assert (quick.seq, quick.at, quick.ms, quick.result) == (3, 0.4, 200.0, text("quick"))
    assert quick.params == {"name": "quick", "arguments": {"x": 1}}
    assert (slow.seq, slow.at, slow.ms, slow.result) == (2, 0.3, 700.0, text("slow"))
    assert slow.events == (
        Event(200.0, "server", "notifications/progress", {"progressToken": 7, "progress": 1}),
        Event(400.0, "server", "elicitation/create", FORM, result={"action": "decline"}, ms=200.0),
    )
    assert absent.error == {"code": -32602, "message": "no"}
    assert (endless.outcome, dead.outcome) == ("cancelled", "unanswered")
    assert "none in a replay: 1 request\n" in done.stderr


@pytest.mark.parametrize("written", TRANSCRIPTS, ids=lambda each: each.__name__)
def test_a_question_while_several_requests_are_in_flight_is_of_none(
    written: Callable[..., bytes], tmp_path: Path
) -> None:
    found, _ = imported(tmp_path, written([*CONVERSATION[:7], *CONVERSATION[8:11]]))
    asked = next(each for each in found.records() if isinstance(each, Message) and each.asked)
    assert asked == Message(
        1, 0.9, "server", "elicitation/create", FORM, result={"action": "decline"}, ms=200.0
    )


@pytest.mark.anyio
@pytest.mark.parametrize("written", TRANSCRIPTS, ids=lambda each: each.__name__)
async def test_it_is_replayed_to_a_client(written: Callable[..., bytes], tmp_path: Path) -> None:
    found, _ = imported(tmp_path, written(CONVERSATION[:13]))

    def decline(asked: Any) -> dict[str, Any]:
        assert (asked.method, asked.params) == ("elicitation/create", FORM)
        return {"result": {"action": "decline"}}

    command = [*MCPTAP, "replay", "--fail-on-unused", str(found.path)]
    async with PipeClient(command, on_request=decline) as client:
        assert (await client.request("initialize", HELLO["params"])).result == WELCOME["result"]
        await client.notify("notifications/initialized")
        slow = await client.request("tools/call", {"name": "slow", "_meta": {"progressToken": "mine"}})
        assert slow.result == text("slow")
        (progress,) = [each for each in client.notifications if each.method == "notifications/progress"]
        assert progress.params == {"progressToken": "mine", "progress": 1}
        quick = await client.request("tools/call", {"name": "quick", "arguments": {"x": 1}})
        assert quick.result == text("quick")
        absent = await client.request("tools/call", {"name": "absent"})
        assert absent.body["error"]["code"] == -32602
        client.close_stdin()
        assert await client.wait() == 0, client.stderr


def test_npm_streams_are_the_requests_they_answer(tmp_path: Path) -> None:
    log = notification("notifications/message", {"level": "info", "data": "x"})
    entries = [
        npm_header(transport="http", url="https://example.com/mcp?api_key=s3cr3t-k3y", command=None),
        {"type": "frame", "t": 0, "dir": "c2s", "frame": HELLO},
        {"type": "frame", "t": 100, "dir": "s2c", "frame": WELCOME},
        {"type": "frame", "t": 200, "dir": "c2s", "frame": request(1, "tools/call", {"name": "a"})},
        {"type": "frame", "t": 210, "dir": "c2s", "frame": request(2, "tools/call", {"name": "b"})},
        {"type": "frame", "t": 400, "dir": "s2c", "frame": result(2, **text("b"))},
        {
            "type": "chunks",
            "t": 220,
            "dir": "s2c",
            "id": 1,
            "chunks": [{"t": 300, "frame": log}, {"t": 500, "frame": result(1, **text("a"))}],
        },
        {"type": "chunks", "t": 150, "dir": "s2c", "via": "get", "chunks": [{"t": 450, "frame": log}]},
        {"type": "chunks", "t": 550, "dir": "s2c", "via": "get", "chunks": []},
        {"type": "raw", "t": 600, "dir": "s2c", "data": "not JSON"},
    ]
    found, done = imported(tmp_path, "".join(f"{json.dumps(each)}\n" for each in entries).encode())
    _, second, first = found.interactions()
    assert (second.params, second.ms, second.events) == ({"name": "b"}, 190.0, ())
    assert (first.params, first.ms) == ({"name": "a"}, 300.0)
    assert first.events == (Event(100.0, "server", "notifications/message", log["params"]),)
    assert [(each.at, each.method) for each in found.records() if isinstance(each, Message)] == [
        (0.45, "notifications/message")
    ]
    assert found.header.upstream is not None
    assert found.header.upstream.target[0].startswith("https://example.com/mcp?api_key=‹redacted:api-key:")
    assert "no JSON-RPC: 1 message\n" in done.stderr


def test_pypi_exchanges_are_the_requests_they_answer(tmp_path: Path) -> None:
    log = notification("notifications/message", {"level": "info", "data": "x"})
    messages = [
        pypi_message(0, "client", HELLO, exchange=0),
        pypi_message(0.1, "server", WELCOME, exchange=0, channel="post"),
        pypi_message(0.2, "client", request(1, "tools/call", {"name": "a"}), exchange=1),
        pypi_message(0.2, "client", request(2, "tools/call", {"name": "b"}), exchange=2),
        pypi_message(0.3, "server", log, exchange=2, channel="post"),
        pypi_message(0.4, "server", result(2, **text("b")), exchange=2, channel="post"),
        pypi_message(0.5, "server", log, exchange=3, channel="get"),
        pypi_message(0.6, "server", result(1, **text("a")), exchange=1, channel="post"),
        pypi_message(0.7, "server", "not JSON", exchange=None),
    ]
    url = "http://127.0.0.1:9/mcp"
    found, _ = imported(tmp_path, pypi([], messages=messages, transport="http", server_url=url))
    assert found.header.upstream == Target("weather", "http", (url,))
    _, second, first = found.interactions()
    assert second.events == (Event(100.0, "server", "notifications/message", log["params"]),)
    assert (second.result, first.events, first.result) == (text("b"), (), text("a"))
    assert [each.at for each in found.records() if isinstance(each, Message)] == [0.5]


def test_schemas_that_pypi_has_masked_are_schemas_again(tmp_path: Path) -> None:
    masked = {
        "type": "object",
        "properties": {
            "maxTokens": "REDACTED",
            "note": {"type": "string", "default": "REDACTED"},
            "properties": {"type": "object", "properties": {"token": "REDACTED"}},
        },
    }
    meta = {"properties": {"x": "REDACTED"}}
    listed = result(1, tools=[{"name": "a", "inputSchema": masked, "_meta": meta}])
    said = [*CONVERSATION[:2], (1.0, "client", request(1, "tools/list")), (1.1, "server", listed)]
    found, done = imported(tmp_path, pypi(said))
    *_, tools = found.interactions()
    assert tools.result == {
        "tools": [
            {
                "name": "a",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "maxTokens": {},
                        "note": {"type": "string", "default": "REDACTED"},
                        "properties": {"type": "object", "properties": {"token": {}}},
                    },
                },
                "_meta": meta,
            }
        ]
    }
    assert "open to any value now: 2 schemas\n" in done.stderr


def test_requests_of_mcp_recorder_follow_one_another(tmp_path: Path) -> None:
    first = notification("notifications/progress", {"progressToken": 1, "progress": 1})
    found, done = imported(
        tmp_path,
        recorder(
            (HELLO, WELCOME, 120),
            (notification("notifications/initialized"), None, 5),
            (request(1, "tools/call", {"name": "a"}), result(1, **text("a")), 30),
            (request(2, "tools/call", {"name": "streamed"}), first, 40),
        ),
    )
    assert found.header.recorded_at == "2026-11-22T00:00:00.250Z"
    assert found.header.upstream == Target("weather", "http", ("http://127.0.0.1:9/[REDACTED]",))
    _, answered, streamed = found.interactions()
    assert (answered.at, answered.ms, answered.result) == (0.125, 30.0, text("a"))
    assert (streamed.outcome, [each.method for each in streamed.events]) == (
        "unanswered",
        ["notifications/progress"],
    )
    assert "left out" not in done.stderr


def test_each_run_in_a_file_of_mcp_rec_is_a_session(tmp_path: Path) -> None:
    again = [(60 + at, side, message) for at, side, message in CONVERSATION[:11]]
    found, done = imported(tmp_path, rec([*CONVERSATION, *again]))
    assert [(each.session, each.at) for each in found.sessions()] == [(1, 0.0), (2, 60.0)]
    assert [each.outcome for each in found.interactions() if each.session == 2] == [None] * 3
    assert "none in a replay: 1 request\n" in done.stderr


def test_a_client_that_asks_for_the_era_first_has_two_sessions(tmp_path: Path) -> None:
    meta = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
    probe = [
        (0.0, "client", request(0, "server/discover", meta)),
        (0.1, "server", {"jsonrpc": "2.0", "id": 0, "error": {"code": -32601, "message": "?"}}),
    ]
    found, _ = imported(tmp_path, rec([*probe, *CONVERSATION[:3]]))
    assert [each.era for each in found.sessions()] == ["modern", "handshake"]
    assert [(each.session, each.method) for each in found.interactions()] == [
        (1, "server/discover"),
        (2, "initialize"),
    ]


def test_a_batch_is_its_messages_and_what_is_no_message_is_counted(tmp_path: Path) -> None:
    way = {"ts": BEGAN, "dir": "client->server"}
    batch = [request(1, "ping"), request(2, "ping"), "rubbish"]
    answers = [result(2), result(1), result(9)]
    entries = [
        {**way, "msg": HELLO},
        {**way, "msg": batch},
        {**way, "dir": "server->client", "msg": answers},
        {**way, "dir": "server->client", "msg": {"_raw": "starting…", "_unparsed": True}},
    ]
    content = "".join(f"{json.dumps(each)}\n" for each in entries).encode() + b'{"ts": 17953'
    found, done = imported(tmp_path, content)
    assert [each.seq for each in found.interactions() if each.method == "ping"] == [3, 2]
    assert "no JSON-RPC: 3 messages\n" in done.stderr
    assert "in the recording: 1 answer\n" in done.stderr


def test_numbers_stay_as_they_are_spelled(tmp_path: Path) -> None:
    content = rec([*CONVERSATION[:2], (1.0, "client", request(1, "x", {"n": 1}))])
    source = content.replace(b'{"n": 1}', b'{"n": 1.0, "m": 12345678901234567890123, "e": 1E5}')
    found, _ = imported(tmp_path, source)
    assert b'{"n":1.0,"m":12345678901234567890123,"e":1E5}' in found.path.read_bytes()


def test_secrets_are_taken_out_unless_they_are_to_stay(tmp_path: Path) -> None:
    said = [
        *CONVERSATION[:2],
        (1.0, "client", request(1, "tools/call", {"name": "a", "arguments": {"t": GITHUB}})),
    ]
    found, _ = imported(tmp_path, rec(said), "--redact-rule", "customer=key:name")
    assert "ghp_" not in found.path.read_text(encoding="utf-8")
    assert "customer=key:name" in found.header.redaction
    found.path.unlink()
    found, _ = imported(tmp_path, rec(said), "--no-redact")
    assert GITHUB in found.path.read_text(encoding="utf-8")
    assert found.header.redaction == ()


@pytest.mark.parametrize(
    "masked", ["REDACTED", "[REDACTED:github:0a1b2c3d]", "[REDACTED]", "<EMAIL>_0123456789ab"]
)
def test_it_says_where_the_other_tool_has_taken_secrets_out(masked: str, tmp_path: Path) -> None:
    asked = {"name": "a", "arguments": {"t": masked}}
    token = {"name": "a", "_meta": {"progressToken": "REDACTED"}}
    said = [
        *CONVERSATION[:2],
        (1.0, "client", request(1, "tools/call", asked)),
        (2.0, "client", request(2, "tools/call", token)),
    ]
    _, done = imported(tmp_path, npm(said))
    assert "placeholders of mcp-cassette (npm) in it: 1 request;" in done.stderr


def test_the_server_can_be_named(tmp_path: Path) -> None:
    found, done = imported(tmp_path, pypi(CONVERSATION), "--name", "mine")
    assert found.header.upstream == Target("mine", "stdio", ())
    assert "6 interactions, 1 session of mcp-cassette (PyPI)" in done.output


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no recording that mcptap knows"),
        (b"hello\n", "no recording that mcptap knows"),
        (b"[1, 2]", "no recording that mcptap knows"),
        (b'{"log": {"entries": []}}', "no recording that mcptap knows"),
        (b"\xff\xfe\x00", "no recording that mcptap knows"),
        (b'{"mcptap":"cassette","version":1}\n', "a cassette of mcptap already"),
        (pypi([], format_version=4), "newer than mcptap knows"),
        (npm([], cassetteVersion=3), "newer than mcptap knows"),
        (recorder().replace(b'"1.0"', b'"2.0"'), "newer than mcptap knows"),
        (pypi([], recorded_at="yesterday"), "yesterday"),
        (pypi([], messages=[{"sender": "client"}]), "'t_offset_ms' is missing"),
        (npm([], startedAt=None), "'startedAt' is missing"),
        (rec(CONVERSATION).replace(b"client->server", b"sideways", 2), "'dir' names no side"),
        (rec(CONVERSATION).replace(b'"ts": ', b'"ts" ', 3), "no recording"),
        (
            npm(CONVERSATION).replace(b'"type": "frame",', b"", 1).replace(b'{"type": "frame"', b"{", 1),
            "line",
        ),
    ],
    ids=range(15),
)
def test_what_is_no_recording_is_refused_in_one_line(content: bytes, why: str, tmp_path: Path) -> None:
    source, target = tmp_path / "recording", tmp_path / "imported.jsonl"
    source.write_bytes(content)
    failed = run(source, "-o", target).exception
    assert isinstance(failed, CassetteError)
    assert failed.exit_code == 3
    assert why in str(failed)
    assert "\n" not in str(failed)
    assert not target.exists()


names = st.sampled_from(
    ["jsonrpc", "id", "method", "params", "result", "error", "requestId", "progressToken", "_meta", "x"]
)
methods = st.sampled_from(["initialize", "notifications/cancelled", "notifications/progress", "ping"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 3)
    | st.floats(allow_nan=False)
    | st.text(max_size=2)
    | methods,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)
likely = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0")},
    optional={
        "id": st.integers(0, 2) | values,
        "method": methods | values,
        "params": values,
        "result": values,
        "error": values,
    },
)


@given(
    st.sampled_from(TRANSCRIPTS),
    st.lists(
        st.tuples(st.floats(0, 1e300), st.sampled_from(["client", "server"]), likely | values), max_size=8
    ),
)
def test_whatever_is_in_a_recording_is_imported_or_refused(
    written: Callable[..., bytes], said: list[tuple[float, str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "recording", Path(folder) / "imported.jsonl"
        source.write_bytes(written(said))
        failed = run(source, "-o", target).exception
        if failed is None:
            assert [each for each in examine(target).findings if each.kind in ("damaged", "torn")] == []
            assert list(open_cassette(target).records()) is not None
        else:
            assert isinstance(failed, CassetteError)
            assert not target.exists()


@pytest.mark.parametrize("written", [rec, pypi], ids=lambda each: each.__name__)
@pytest.mark.parametrize("levels", [200, 600, 900, 5000])
def test_what_is_nested_too_deeply_is_refused_and_what_is_not_is_imported(
    written: Callable[..., bytes], levels: int, tmp_path: Path
) -> None:
    content = written([(0.0, "client", request(1, "x", {"password": "hunter-2-hunter", "n": 1}))])
    source = tmp_path / "recording"
    source.write_bytes(content.replace(b'"n": 1', b'"n": ' + b"[" * levels + b"]" * levels))
    failed = run(source, "-o", tmp_path / "imported.jsonl").exception
    assert (failed is None) == (levels == 200)
    assert failed is None or isinstance(failed, CassetteError)


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    found, _ = imported(tmp_path, rec(CONVERSATION))
    before = found.path.read_bytes()
    assert "there already" in str(run(tmp_path / "recording", "-o", found.path).exception)
    assert "does not exist" in str(run(tmp_path / "absent", "-o", tmp_path / "x.jsonl").exception)
    assert found.path.read_bytes() == before


def test_answered_interactions_have_a_time_of_the_servers_own(tmp_path: Path) -> None:
    found, _ = imported(tmp_path, rec(CONVERSATION))
    assert {each.proxy_ms for each in found.interactions() if each.ms} == {0.0}
