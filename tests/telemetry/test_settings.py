"""What the environment and the command line ask for, before anything of OpenTelemetry is imported."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from mcptap.errors import UsageError
from mcptap.telemetry.collector import Otlp, otlp_of
from mcptap.telemetry.settings import Settings, settings


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Settings()),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"}, Settings()),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318"},
         Settings(metrics=("otlp",))),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, Settings(traces=("otlp", "console"))),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, Settings(metrics=("prometheus",))),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h:1/t"}, Settings(traces=("otlp",))),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "TRUE"}, Settings()),
        ({"OTEL_CONFIG_FILE": "otel.yaml", "OTEL_TRACES_EXPORTER": "console"},
         Settings(config_file="otel.yaml")),
    ],
)  # fmt: skip
def test_nothing_is_sent_unless_it_is_asked_for(environment: dict[str, str], expected: Settings) -> None:
    assert settings(environment) == expected


def test_the_command_lines_url_asks_for_both_signals_and_off_wins_over_the_environment() -> None:
    asked = settings({"OTEL_TRACES_EXPORTER": "console"}, url="http://h:4318")
    assert (asked.traces, asked.metrics) == (("console", "otlp"), ("otlp",))
    asked = settings(
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "Console"}, url="http://h:4318"
    )
    assert (asked.traces, asked.metrics) == (("otlp",), ("console", "otlp"))
    assert not settings({"OTEL_TRACES_EXPORTER": "console"}, off=True).on


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("http://h:4317", {}, Otlp("grpc", "http://h:4317")),
        ("http://h:4318", {}, Otlp("http/protobuf", "http://h:4318/v1/traces")),
        ("http://h:4318/v1/traces", {}, Otlp("http/protobuf", "http://h:4318/v1/traces")),
        ("http://h/base/", {}, Otlp("http/protobuf", "http://h/base/v1/traces")),
        ("http://h:9", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, Otlp("grpc", "http://h:9")),
        ("localhost:4317", {}, Otlp("grpc", "localhost:4317")),
        ("h:9", {"OTEL_EXPORTER_OTLP_PROTOCOL": "GRPC"}, Otlp("grpc", "h:9")),
        (None, {}, Otlp("http/protobuf", None)),
        (None, {"OTEL_EXPORTER_OTLP_TIMEOUT": "2.5", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip"},
         Otlp("http/protobuf", None, 2.5, "gzip")),
        (None, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, Otlp("grpc", None)),
        (None, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "h:4317"},
         Otlp("grpc", "h:4317")),
        (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h/whole", "OTEL_EXPORTER_OTLP_ENDPOINT": "x"},
         Otlp("http/protobuf", "http://h/whole")),
        (None, {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
         Otlp("grpc", None)),
    ],
)  # fmt: skip
def test_otlp_goes_where_and_how_the_specification_says(
    url: str | None, environment: dict[str, str], expected: Otlp
) -> None:
    assert otlp_of("traces", url, environment) == expected


@pytest.mark.parametrize(
    ("options", "environment", "says"),
    [
        ({"url": "nonsense"}, {}, r"--otlp 'nonsense' is no URL"),
        ({"url": "ftp://h"}, {}, "is no URL"),
        ({"url": "http://"}, {}, "is no URL"),
        ({"url": "http://h:99999"}, {}, "is no URL"),
        ({"url": "http://h", "off": True}, {}, "contradicts"),
        ({"serve_metrics": True, "off": True}, {}, "contradicts"),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({}, {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "'http/json'"),
        ({}, {"OTEL_TRACES_EXPORTER": "none,otlp"}, "none and more"),
        ({"url": "http://h"}, {"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED contradicts --otlp:"),
        ({"serve_metrics": True}, {"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED contradicts --metrics"),
        (
            {"url": "http://h", "serve_metrics": True},
            {"OTEL_CONFIG_FILE": "x"},
            "OTEL_CONFIG_FILE takes the place of --otlp and --metrics",
        ),
        ({"url": "http://h"}, {"OTEL_EXPORTER_OTLP_TIMEOUT": "abc"}, "OTEL_EXPORTER_OTLP_TIMEOUT 'abc'"),
        ({"url": "http://h"}, {"OTEL_EXPORTER_OTLP_TIMEOUT": "0"}, "TIMEOUT '0' is no number of seconds"),
        ({"url": "http://h"}, {"OTEL_EXPORTER_OTLP_COMPRESSION": "zip"}, "use none or gzip or deflate"),
        ({"url": "http://h:4317"}, {"OTEL_EXPORTER_OTLP_COMPRESSION": "deflate"}, "is not for grpc"),
        ({"url": "http://h"}, {"OTEL_EXPORTER_OTLP_HEADERS": "nonsense"}, "HEADERS is no list of headers"),
        ({"url": "http://ada:secret@h:4317"}, {}, "^--otlp 'http://h:4317' names a user"),
        ({"url": "ftp://ada:secret@h?key=secret"}, {}, "^--otlp 'ftp://h' is no URL"),
    ],
)
def test_what_can_not_be_meant_is_refused_in_one_line(
    options: dict[str, object], environment: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError) as refused:
        settings(environment, **options)  # type: ignore[arg-type]
    assert re.search(says, str(refused.value))
    assert "\n" not in str(refused.value)


def test_finding_out_what_is_asked_for_imports_nothing_of_opentelemetry() -> None:
    program = (
        "import sys, mcptap.telemetry.settings, mcptap.cli.telemetry; print('opentelemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
