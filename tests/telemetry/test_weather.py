"""Collectors that are away, slow or silent, and settings that can't be carried out."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.trace import SpanKind

from mcptap.errors import UsageError
from mcptap.telemetry import setup
from mcptap.telemetry.complaints import Complaints, Pace
from mcptap.telemetry.ending import Ending, end_soon
from mcptap.telemetry.operation import operation_of
from mcptap.telemetry.settings import Settings
from mcptap.telemetry.setup import set_up
from mcptap.telemetry.telemetry import Telemetry
from tests.http.running import MCPTAP, ROOT
from tests.telemetry.receivers import Protocol, collector

PING = operation_of("ping", None, "2025-11-25", "stdio")


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The address of something that takes connections and never answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(8)
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    """An address that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def spans(telemetry: Telemetry, count: int) -> None:
    """Open and end some spans."""
    assert telemetry.tracing is not None
    for _ in range(count):
        telemetry.begin(SpanKind.SERVER, PING, None, Context()).end()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("kind", ["nobody", "black_hole"])
def test_the_end_does_not_wait_for_a_collector_and_tells_what_was_dropped(
    kind: str, protocol: Protocol, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    said: list[str] = []
    done = threading.Event()

    address = request.getfixturevalue(kind)

    def work() -> None:
        telemetry = set_up(Settings(traces=("otlp",), url=address), said.append)
        spans(telemetry, 3)
        telemetry.close()
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert done.wait(30), "the exporter's own patience would be longer"
    assert said[-1].startswith(f"telemetry: 3 spans were dropped: {address}")


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_what_a_collector_takes_was_not_dropped(protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    said: list[str] = []
    with collector(protocol) as received:
        telemetry = set_up(Settings(traces=("otlp",), url=received.url), said.append)
        spans(telemetry, 20)
        with received.changed:
            assert received.changed.wait_for(lambda: len(received.spans) == 20, 30)
        telemetry.close()
    assert said == []


def test_trouble_is_told_once_a_minute() -> None:
    said: list[str] = []
    now = [0.0]
    complaints = Complaints(said.append, pace=Pace(lambda: now[0]))
    for at in (0.0, 1.0, 59.9, 60.0, 61.0, 180.0):
        now[0] = at
        complaints.say(f"at {at}")
    assert said == [f"telemetry: at {at}" for at in (0.0, 60.0, 180.0)]


def test_the_end_is_shorter_by_what_has_passed_since_the_clients_have_left() -> None:
    now = [100.0]
    ending = Ending([], clock=lambda: now[0])
    whole = ending.patience()
    ending.begin()
    now[0] += 0.25
    ending.begin()
    assert ending.patience() == whole - 0.25
    now[0] += 60.0
    assert 0 < ending.patience() < whole, "what came last has its chance too"


def test_the_end_waits_for_none_longer_than_it_was_told() -> None:
    hung = threading.Event()
    started = time.monotonic()
    try:
        assert not end_soon([hung.wait, lambda: None], patience=0.05)
    finally:
        hung.set()
    assert time.monotonic() - started >= 0.05
    assert end_soon([lambda: None], patience=30)


@pytest.mark.parametrize(
    ("variables", "settings", "says"),
    [
        ({}, Settings(traces=("zipkin",)), "OTEL_TRACES_EXPORTER names 'zipkin', which is not installed"),
        ({}, Settings(metrics=("statsd",)), "OTEL_METRICS_EXPORTER names 'statsd'"),
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, Settings(traces=("console",)), "OTEL_TRACES_SAMPLER"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "much"},
         Settings(traces=("console",)), "is no number from 0 to 1"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "7"},
         Settings(traces=("console",)), "can't be used"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, Settings(traces=("console",)), "can't be set up"),
        ({}, Settings(config_file="absent.yaml"), "OTEL_CONFIG_FILE absent.yaml"),
        ({"OTEL_SPAN_EVENT_COUNT_LIMIT": "abc"}, Settings(traces=("console",)), "but got abc"),
        ({"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "many"}, Settings(traces=("console",)), "but got many"),
        ({"OTEL_METRICS_EXEMPLAR_FILTER": "bogus"}, Settings(metrics=("console",)), "'bogus'"),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "0"}, Settings(metrics=("console",)), "EXPORT_INTERVAL '0' is no"),
        ({"OTEL_METRIC_EXPORT_TIMEOUT": "x"}, Settings(metrics=("console",)), "EXPORT_TIMEOUT 'x' is no"),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "zip"}, Settings(metrics=("otlp",)), "COMPRESSION 'zip'"),
    ],
)  # fmt: skip
def test_settings_that_can_not_be_carried_out_are_refused_in_one_line(
    variables: dict[str, str], settings: Settings, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as refused:
        set_up(settings, print)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


class Registered:
    """What a package has registered: something that has a flaw."""

    def __init__(self, flaw: Callable[[], Any]) -> None:
        self.name = "Flawed"
        self.load = flaw


def absent() -> Any:
    raise ImportError("no module named 'sender'", name="sender")


def unset() -> Any:
    def make(*_: Any) -> Any:
        raise KeyError("SENDER_KEY")

    return make


class WithoutPreferences(MetricExporter):
    """Does not call its base class."""

    def __init__(self) -> None:
        """Do nothing."""

    def export(self, *_: Any, **__: Any) -> Any: ...

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, *_: Any, **__: Any) -> None: ...


@pytest.mark.parametrize(
    ("flaw", "variable", "settings", "says"),
    [
        (
            absent,
            "OTEL_TRACES_EXPORTER",
            Settings(traces=("flawed",)),
            "ImportError: no module named 'sender'",
        ),
        (unset, "OTEL_TRACES_EXPORTER", Settings(traces=("flawed",)), "KeyError: 'SENDER_KEY'"),
        (unset, "OTEL_TRACES_SAMPLER", Settings(traces=("console",)), "KeyError: 'SENDER_KEY'"),
        (
            lambda: WithoutPreferences,
            "OTEL_METRICS_EXPORTER",
            Settings(metrics=("flawed",)),
            "_preferred_temp",
        ),
    ],
)
def test_what_a_package_has_registered_is_refused_by_its_name_if_it_fails(
    flaw: Callable[[], Any], variable: str, settings: Settings, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "entry_points", lambda group: [Registered(flaw)])
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "FLAWED" if variable.endswith("SAMPLER") else "")
    with pytest.raises(UsageError) as refused:
        set_up(settings, print)
    assert str(refused.value).startswith(f"{variable} names 'flawed', which can't be used: ")
    assert says in str(refused.value)


def mcptap(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", **variables}
    argv = [*MCPTAP, *arguments]
    return subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_an_absent_propagator_matters_only_with_telemetry() -> None:
    server = ["--", sys.executable, "-c", "pass"]
    refused = mcptap("proxy", *server, OTEL_PROPAGATORS="nonesuch", OTEL_TRACES_EXPORTER="console")
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith("mcptap: OTEL_PROPAGATORS can't be used:")
    assert "nonesuch" in line
    without = mcptap("proxy", *server, OTEL_PROPAGATORS="nonesuch")
    assert without.returncode != 2
    assert "PROPAGATORS" not in without.stderr


def test_the_console_is_stderr_with_a_configuration_file_too(tmp_path: Path) -> None:
    config = tmp_path / "otel.yaml"
    config.write_text(
        "file_format: '1.0'\n"
        "tracer_provider:\n  processors:\n    - simple:\n        exporter:\n          console: {}\n"
    )
    done = subprocess.run(
        [*MCPTAP, "replay", "recordings/time.jsonl"],
        input='{"jsonrpc":"2.0","id":1,"method":"ping"}\n',
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "OTEL_CONFIG_FILE": str(config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert '"name": "ping"' in done.stderr
    assert '"service.name": "mcptap"' in done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["id"] == 1
