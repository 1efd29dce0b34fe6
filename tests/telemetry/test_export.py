"""`mcptap export --otlp`: an old recording as spans, with its own times."""

from __future__ import annotations

import gzip
import socket
from datetime import datetime
from pathlib import Path

import pytest

from mcptap.cassette.opening import open_all
from mcptap.errors import UpstreamError
from mcptap.telemetry.export import send
from mcptap.telemetry.settings import Settings
from tests.http.running import ROOT
from tests.telemetry.receivers import Protocol, Received, collector
from tests.telemetry.test_weather import mcptap

RECORDINGS = sorted((ROOT / "recordings").glob("*.jsonl"))


def exported(path: Path, protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> Received:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    with collector(protocol) as received:
        assert send(open_all(path), Settings(url=received.url)) == len(received.spans)
    return received


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_every_recorded_request_is_a_span_at_its_own_time(
    path: Path, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = exported(path, protocol, monkeypatch)
    (cassette,) = open_all(path)
    zero = datetime.fromisoformat(cassette.header.recorded_at).timestamp()
    recorded = {each.seq: each for each in cassette.interactions()}
    servers = {
        each.attributes["mcptap.seq"]: each for each in received.spans if "mcptap.seq" in each.attributes
    }
    assert set(servers) == set(recorded)
    for seq, span in servers.items():
        assert span.started / 1e9 == pytest.approx(zero + recorded[seq].at, abs=1e-5)
        assert span.attributes["mcp.method.name"] == recorded[seq].method
        taken = (recorded[seq].ms or 0.0) + (recorded[seq].proxy_ms or 0.0)
        assert (span.ended - span.started) / 1e6 >= taken - 0.01
        inside = [each for each in received.spans if each.parent == span.span_id]
        assert all(span.started <= each.started <= each.ended <= span.ended for each in inside)
        assert len([each for each in inside if each.name == span.name]) == int(
            recorded[seq].ms is not None or recorded[seq].outcome is not None
        )


def test_exporting_twice_gives_the_same_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    first = exported(RECORDINGS[0], "http/protobuf", monkeypatch)
    second = exported(RECORDINGS[0], "http/protobuf", monkeypatch)
    assert {each.span_id for each in first.spans} == {each.span_id for each in second.spans}
    assert len({each.span_id for each in first.spans}) == len(first.spans)


def test_past_damage_and_compression_and_at_times_that_no_clock_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    odd = '{"kind":"interaction","seq":9%d,"session":1,"at":%s,"ms":%s,"method":"odd","result":{}}\n'
    lines = [odd % (place, at, at) for place, at in enumerate(("1e18", "1e30", "1e999", "-1e30"))]
    content = (ROOT / "recordings" / "time.jsonl").read_text() + "rubbish\n" + "".join(lines)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    (tmp_path / "b.jsonl").write_bytes((ROOT / "recordings" / "git.jsonl").read_bytes())
    with collector("http/protobuf") as received:
        done = mcptap("export", str(tmp_path), "--otlp", received.url)
    assert done.returncode == 0
    assert "a.jsonl.gz: 1 damaged line passed over" in done.stderr
    assert sum("mcptap.seq" in each.attributes for each in received.spans) == 5 + 6 + 4


def test_a_collector_that_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    with collector("http/protobuf") as received, pytest.raises(UpstreamError, match="did not take"):
        send(open_all(RECORDINGS[0]), Settings(url=f"{received.url}/elsewhere"))


def test_the_command_says_in_one_line_that_nobody_takes_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = mcptap("export", str(RECORDINGS[0]), "--otlp", url)
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mcptap: {url}/v1/traces did not take the spans: Connection refused")
