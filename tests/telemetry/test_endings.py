"""A whole mcptap whose collector is slow, silent or dying: requests, stderr, its end and its cassette."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mcptap.cassette.opening import open_all
from mcptap.cassette.reader import open_cassette
from mcptap.telemetry.export import send
from mcptap.telemetry.settings import Settings
from tests.clients.raw import PipeClient, handshake
from tests.http.running import MCPTAP, PATIENCE, ROOT
from tests.telemetry.receivers import Protocol, ReceivedSpan, collector

WIRE = [sys.executable, "-m", "tests.servers.wire"]
CALLS = 30


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """Something that takes connections and never answers, as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextlib.contextmanager
def slow() -> Iterator[str]:
    """A collector that begins its answer, and goes on with it when the context is left."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.flush()
            over.wait()

        def log_message(self, *arguments: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


class Dying:
    """A collector that takes one export, and is gone in the middle of the next."""

    def __init__(self) -> None:
        self.took_one = threading.Event()
        self.spans = 0
        dying = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                if dying.took_one.is_set():
                    dying.server.socket.close()
                    self.connection.close()
                    return
                body = self.rfile.read(int(self.headers["content-length"]))
                request = ExportTraceServiceRequest.FromString(body)
                dying.spans = sum(
                    len(scope.spans) for each in request.resource_spans for scope in each.scope_spans
                )
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()
                dying.took_one.set()

            def log_message(self, *arguments: object) -> None:
                """Keep quiet."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *arguments: object) -> None:
                """Its own death is no error."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@contextlib.asynccontextmanager
async def recording(cassette: Path, said: list[str], **variables: str) -> AsyncIterator[PipeClient]:
    """A client of a recording mcptap, whose lines on stderr are ``said`` when it has ended of itself."""
    environment = {"PATH": "/usr/bin:/bin", "OTEL_BSP_SCHEDULE_DELAY": "20", **variables}
    argv = [*MCPTAP, "record", "-o", str(cassette), "--", *WIRE]
    async with PipeClient(argv, cwd=ROOT, env=environment, timeout=PATIENCE) as client:
        await handshake(client)
        yield client
        client.close_stdin()
        assert await client.wait() == 0
        said += client.stderr.splitlines()


async def call(client: PipeClient, count: int) -> None:
    for number in range(count):
        assert "result" in (await client.call("echo", {"text": str(number)})).body


def said_of_telemetry(lines: list[str]) -> list[str]:
    """What was said of telemetry; there is nothing else on stderr but what a recording says of itself."""
    assert all(line.startswith("mcptap: ") for line in lines), lines
    return [line.removeprefix("mcptap: telemetry: ") for line in lines if ": telemetry: " in line]


@pytest.mark.parametrize(
    ("collecting", "protocol"), [(silent, "http/protobuf"), (silent, "grpc"), (slow, "http/protobuf")]
)
def test_mcptap_ends_before_a_collector_lets_it_and_tells_what_was_dropped(
    collecting: Callable[[], AbstractContextManager[str]], protocol: Protocol, tmp_path: Path
) -> None:
    lines: list[str] = []

    async def work(url: str) -> None:
        variables = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3600",  # the exporter would wait for an hour
        }
        async with recording(tmp_path / "rec.jsonl", lines, **variables) as client:
            await call(client, CALLS)

    with collecting() as url:
        asyncio.run(work(url))
    assert said_of_telemetry(lines)[-1].startswith(
        f"{2 * (CALLS + 2)} spans and the last metrics were dropped: http"
    )
    assert len(said_of_telemetry(lines)) <= 2


def test_a_collector_that_dies_in_the_middle_costs_the_spans_that_it_did_not_take(tmp_path: Path) -> None:
    lines: list[str] = []
    dying = Dying()

    async def work() -> None:
        variables = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": dying.url}
        variables["OTEL_METRICS_EXPORTER"] = "none"
        async with recording(tmp_path / "rec.jsonl", lines, **variables) as client:
            assert await asyncio.to_thread(dying.took_one.wait, PATIENCE)
            await call(client, CALLS)

    try:
        asyncio.run(work())
    finally:
        dying.server.shutdown()
    assert 0 < dying.spans < 2 * (CALLS + 2)
    assert said_of_telemetry(lines)[-1].startswith(
        f"{2 * (CALLS + 2) - dying.spans} spans were dropped: {dying.url}"
    )
    assert len(said_of_telemetry(lines)) <= 2


def test_a_cassette_is_the_same_whatever_becomes_of_the_spans(tmp_path: Path) -> None:
    """Byte for byte, but for times and ids that are drawn by lot."""
    texts: dict[str, str] = {}

    async def work(name: str, **variables: str) -> None:
        cassette = tmp_path / f"{name}.jsonl"
        async with recording(cassette, [], **variables) as client:
            await client.call("tool_error")
            await client.call("progress", {"n": 2}, meta={"progressToken": "p"})
            await client.request("resources/read", {"uri": "wire://text"})
        texts[name] = without_times(cassette.read_text())

    with silent() as url:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
        asyncio.run(work("exporter that hangs", **endpoint))
        asyncio.run(work("not sampled", **endpoint, OTEL_TRACES_SAMPLER="always_off"))
    asyncio.run(work("nobody there", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9"))
    asyncio.run(work("console", OTEL_TRACES_EXPORTER="console"))
    assert len(set(texts.values())) == 1, texts
    asyncio.run(work("no telemetry", OTEL_SDK_DISABLED="true", **endpoint))
    ids = r',"trace_id":"#","span_id":"#"'
    assert ids in texts["console"]
    assert texts["console"].replace(ids, "") == texts["no telemetry"]


def without_times(text: str) -> str:
    text = re.sub(r'"(trace_id|span_id)":"[0-9a-f]+"', r'"\1":"#"', text)
    text = re.sub(r'"id":"[0-9a-f]{32}"', '"id":"#"', text, count=1)  # the cassette's own
    text = re.sub(r'"(ms|at|at_ms|proxy_ms)":[0-9.]+', r'"\1":0', text)
    return re.sub(r'"recorded_at":"[^"]*"', '"recorded_at":"#"', text)


def test_a_call_that_the_end_has_cut_off_is_the_same_in_spans_and_cassette(tmp_path: Path) -> None:
    cassette = tmp_path / "rec.jsonl"

    async def work(**variables: str) -> None:
        async with recording(cassette, [], **variables) as client:
            asking = asyncio.ensure_future(client.call("never"))
            await client.request("ping")
        asking.cancel()

    with collector("http/protobuf") as received:
        asyncio.run(work(**received.environment))
    (recorded,) = [each for each in open_cassette(cassette).interactions() if each.method == "tools/call"]
    spans = [each for each in received.spans if each.name == "tools/call never"]
    assert {each.attributes["mcptap.outcome"] for each in spans} == {recorded.outcome}
    assert {each.kind for each in spans} == {"SERVER", "CLIENT"}
    (own,) = [each.attributes["mcptap.proxy.duration"] for each in spans if each.kind == "SERVER"]
    waited = max(each.ended - each.started for each in spans) / 1e9
    assert own < waited / 2
    assert (recorded.proxy_ms or 0.0) / 1000 < waited / 2
    assert [each.kind for each in exported(cassette) if each.name == "tools/call never"] == [
        "CLIENT",
        "SERVER",
    ]


def exported(cassette: Path) -> list[ReceivedSpan]:
    """The spans that an export of a recording sends."""
    with collector("http/protobuf") as received:
        send(open_all(cassette), Settings(url=received.url))
    return received.spans


@pytest.mark.parametrize(
    ("variables", "spans"),
    [
        ({}, True),
        ({"OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, False),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.0"}, False),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.0"}, True),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, False),
    ],
)
def test_the_console_is_stderr_and_the_variables_say_what_is_on_it(
    variables: dict[str, str], spans: bool
) -> None:
    done = subprocess.run(
        [*MCPTAP, "replay", "recordings/time.jsonl"],
        input='{"jsonrpc":"2.0","id":1,"method":"ping"}\n',
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "console", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ('"name": "ping"' in done.stderr) is spans
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["id"] == 1


@pytest.mark.parametrize(
    ("arguments", "variables", "says"),
    [
        (["--otlp", "nonsense"], {}, "--otlp 'nonsense' is no URL"),
        ([], {"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://h"}, "OTEL_EXPORTER_OTLP_ENDPOINT 'ftp://h' is no URL"),
        ([], {"OTEL_TRACES_EXPORTER": "zipkin"}, "'zipkin', which is not installed"),
        ([], {"OTEL_METRICS_EXPORTER": "statsd"}, "'statsd'"),
        ([], {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "'http/json'"),
        ([], {"OTEL_TRACES_EXPORTER": "console", "OTEL_TRACES_SAMPLER": "sometimes"}, "'sometimes'"),
        ([], {"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "soon"}, "'soon'"),
        ([], {"OTEL_TRACES_EXPORTER": "console", "OTEL_PROPAGATORS": "nonesuch"}, "nonesuch"),
        ([], {"OTEL_CONFIG_FILE": "absent.yaml"}, "OTEL_CONFIG_FILE absent.yaml"),
        ([], {"OTEL_TRACES_EXPORTER": "console", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "-1"},
         "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be a non-negative integer"),
        ([], {"OTEL_TRACES_EXPORTER": "console", "OTEL_PYTHON_TRACER_PROVIDER": "bogus"}, "'bogus'"),
        (["--transport", "ws", "--metrics"], {}, "served over HTTP"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], variables: dict[str, str], says: str
) -> None:
    done = subprocess.run(
        [*MCPTAP, "replay", "recordings/time.jsonl", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert says in line


@pytest.mark.parametrize(
    ("variables", "spans"),
    [
        ({"OTEL_TRACES_EXPORTER": "Console", "OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider"}, True),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_PYTHON_METER_PROVIDER": "sdk_meter_provider"}, True),
        ({"OTEL_PYTHON_TRACER_PROVIDER": "bogus", "OTEL_PYTHON_METER_PROVIDER": "bogus"}, False),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_PROPAGATORS": "tracecontext,, Baggage"}, True),
    ],
)
def test_what_the_environment_names_in_vain_stands_in_no_ones_way(
    variables: dict[str, str], spans: bool
) -> None:
    done = subprocess.run(
        [*MCPTAP, "replay", "recordings/time.jsonl"],
        input='{"jsonrpc":"2.0","id":1,"method":"ping"}\n',
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ('"name": "ping"' in done.stderr) is spans, done.stderr
    assert "bug in mcptap" not in done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["id"] == 1
