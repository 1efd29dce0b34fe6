"""What a collector answers, and what the user and the counts are told of that."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.context import Context
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from mcptap.telemetry.collector import without_secrets
from mcptap.telemetry.complaints import Complaints, Pace
from mcptap.telemetry.destination import Destination
from mcptap.telemetry.operation import operation_of
from mcptap.telemetry.settings import Settings
from mcptap.telemetry.setup import set_up
from mcptap.telemetry.span import SERVER
from tests.telemetry.receivers import collector

PING = operation_of("ping", None, None, "stdio")
REJECTING = ExportTraceServiceResponse()
REJECTING.partial_success.rejected_spans = 2
REJECTING.partial_success.error_message = "too old"


@contextlib.contextmanager
def answering(
    status: int, body: bytes = b"", asked: list[str | None] | None = None, **headers: str
) -> Iterator[str]:
    """Something that gives every request the same answer, and keeps who has asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            if asked is not None:
                asked.append(self.headers["authorization"])
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def told(url: str, spans: int = 3, service: str | None = None, **asked: tuple[str, ...]) -> list[str]:
    """What is said of a short run that sends some spans."""
    said: list[str] = []
    telemetry = set_up(Settings(url=url, **(asked or {"traces": ("otlp",)})), said.append, service)  # type: ignore[arg-type]
    for _ in range(spans):
        telemetry.begin(SERVER, PING, None, Context()).end()
    telemetry.close()
    return said


@pytest.mark.parametrize(
    ("status", "body", "dropped"),
    [
        (404, b"", "3 spans were dropped: http://{}/v1/traces: 404 Not Found"),
        (401, b"", "3 spans were dropped: http://{}/v1/traces: 401 Unauthorized"),
        (503, b"", "3 spans were dropped: http://{}/v1/traces: 503 Service Unavailable"),
        (301, b"", "3 spans were dropped: http://{}/v1/traces: 301 Moved Permanently"),
        (
            200,
            REJECTING.SerializeToString(),
            "2 spans were dropped: http://{}/v1/traces: rejected, too old",
        ),
    ],
)
def test_a_short_run_says_what_was_dropped_where_and_why(status: int, body: bytes, dropped: str) -> None:
    with answering(status, body, location="http://127.0.0.1:9/") as address:
        said = told(f"http://ada:secret@{address}")
    assert said == [f"telemetry: {dropped.format(address)}"]


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>"])
def test_what_is_no_answer_of_otlp_rejects_nothing(body: bytes) -> None:
    with answering(200, body) as address:
        assert told(f"http://{address}") == []


def test_one_span_is_one_and_the_service_is_named_where_there_are_several() -> None:
    with answering(404) as address:
        (line,) = told(f"http://{address}", spans=1, service="one")
    assert line.startswith("telemetry of one: 1 span was dropped: ")


def test_a_short_run_says_that_its_metrics_were_dropped() -> None:
    with answering(503) as address:
        (line,) = told(f"http://{address}", metrics=("otlp",))
    assert (
        line
        == f"telemetry: the last metrics were dropped: http://{address}/v1/metrics: 503 Service Unavailable"
    )


def test_grpc_says_why_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector("http/protobuf") as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        (line,) = told(received.url)
    assert line.startswith(f"telemetry: 3 spans were dropped: {received.url}: UNAVAILABLE: ")


def test_all_complaints_of_a_process_are_one_line_a_minute() -> None:
    said: list[str] = []
    pace = Pace()
    for service in ("one", "two", "three"):
        Complaints(said.append, service, pace).say("it failed")
    assert said == ["telemetry of one: it failed"]


def test_an_exporter_that_wants_to_end_the_process_ends_nothing() -> None:
    destination = Destination("its")

    def leave() -> bool:
        raise SystemExit(3)

    assert destination.lost(leave, 2) == 2
    assert destination.trouble == "SystemExit: 3"
    assert destination.lost(lambda: True, 2) == 0


def test_a_retry_that_runs_out_of_time_does_not_hide_why_there_was_one() -> None:
    destination = Destination("its")

    def refused_and_tried_again() -> bool:
        destination.told("RESOURCE_EXHAUSTED", "too large")
        destination.told("DEADLINE_EXCEEDED", "Deadline Exceeded")
        return False

    def never_answered() -> bool:
        destination.told("DEADLINE_EXCEEDED", "Deadline Exceeded")
        return False

    assert destination.lost(refused_and_tried_again, 1) == 1
    assert destination.trouble == "RESOURCE_EXHAUSTED: too large"
    assert destination.lost(never_answered, 1) == 1
    assert destination.trouble == "DEADLINE_EXCEEDED: Deadline Exceeded"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://ada:p#w@h:4318/v1/traces?key=x", "http://h:4318/v1/traces"),
        ("h:4317", "h:4317"),
        ("https://h#x", "https://h"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@pytest.mark.parametrize("signal", ["", "TRACES_"])
def test_what_a_credential_provider_says_goes_along(
    signal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(tmp_path, "vault_of_test.py").write_text(
        "from requests import Session\n"
        "def session():\n"
        "    made = Session()\n"
        "    made.headers['authorization'] = 'Bearer of-the-vault'\n"
        "    return made\n"
    )
    about = Path(tmp_path, "vault_of_test-1.dist-info")
    about.mkdir()
    Path(about, "METADATA").write_text("Name: vault-of-test\nVersion: 1\n")
    Path(about, "entry_points.txt").write_text(
        "[opentelemetry_otlp_credential_provider]\nvault = vault_of_test:session\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{signal}CREDENTIAL_PROVIDER", "vault")
    asked: list[str | None] = []
    with answering(200, asked=asked) as address:
        assert told(f"http://{address}") == []
    assert asked == ["Bearer of-the-vault"]
