"""Real backends take what mcptap sends: Arize Phoenix the traces, Prometheus the metrics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import venv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mcptap.cassette.opening import open_all
from mcptap.telemetry.export import send
from mcptap.telemetry.settings import Settings
from tests.clients.raw import HttpClient, handshake
from tests.http.running import ROOT, WIRE, mcptap
from tests.telemetry.receivers import Protocol

PATIENCE = 240.0
# One of its own for each: what is sent again has the ids that it had, and Phoenix keeps the first.
RECORDINGS: Mapping[Protocol, Path] = {
    "http/protobuf": ROOT / "recordings" / "git.jsonl",
    "grpc": ROOT / "recordings" / "time.jsonl",
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextlib.contextmanager
def running(argv: list[str], folder: Path, **variables: str) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=folder, env={**os.environ, **variables}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def get(url: str, found: Callable[[Any], bool], **parameters: str) -> Any:
    """Ask until there is what is looked for."""
    until = time.monotonic() + PATIENCE
    with httpx2.Client(trust_env=False) as http:
        while True:
            with contextlib.suppress(httpx2.TransportError):
                answer = http.get(url, params=parameters)
                if answer.is_success and found(body := json.loads(answer.text)):
                    return body
            assert time.monotonic() < until, f"{url} did not give it"
            time.sleep(0.5)


@pytest.fixture(scope="module")
def phoenix(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Phoenix in a virtual environment of its own, kept for the next run: its HTTP and gRPC URLs."""
    home = request.config.cache.mkdir("phoenix") / "venv"
    if not (home / "bin" / "phoenix").exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", "arize-phoenix"], check=True)
    folder, web, rpc = tmp_path_factory.mktemp("phoenix"), free_port(), free_port()
    variables = {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(web),
        "PHOENIX_GRPC_PORT": str(rpc),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    with running([str(home / "bin" / "phoenix"), "serve"], folder, **variables):
        get(f"http://127.0.0.1:{web}/v1/projects", lambda body: bool(body["data"]))
        yield f"http://127.0.0.1:{web}", f"http://127.0.0.1:{rpc}"


@pytest.mark.phoenix
@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_phoenix_shows_a_recorded_session(
    protocol: Protocol, phoenix: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    web, rpc = phoenix
    project = f"mcptap-{protocol[:4]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"openinference.project.name={project}")
    sent = send(open_all(RECORDINGS[protocol]), Settings(url=web if protocol == "http/protobuf" else rpc))
    url = f"{web}/v1/projects/{project}/spans"
    spans = get(url, lambda body: len(body["data"]) >= sent, limit="1000")["data"]
    assert len(spans) == sent
    by_id = {span["context"]["span_id"]: span for span in spans}
    recorded = {each.seq: each for each in open_all(RECORDINGS[protocol])[0].interactions()}
    hops = [span for span in spans if span["parent_id"] in by_id]
    assert len(hops) == len(recorded)
    for hop in hops:
        above = by_id[hop["parent_id"]]
        assert (above["name"], above["context"]["trace_id"]) == (hop["name"], hop["context"]["trace_id"])
        assert above["attributes"]["mcp.method.name"] == recorded[above["attributes"]["mcptap.seq"]].method


@pytest.mark.prometheus
@pytest.mark.timeout(300)
def test_prometheus_scrapes_a_front_and_answers_a_quantile(tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("there is no prometheus here")

    async def work() -> None:
        async with mcptap("proxy", "--metrics", "--", *WIRE) as front:
            address = front.url.removeprefix("http://").removesuffix("/mcp")
            (tmp_path / "prometheus.yml").write_text(
                "scrape_configs:\n- job_name: mcptap\n  scrape_interval: 1s\n"
                f"  static_configs:\n  - targets: ['{address}']\n"
            )
            port = free_port()
            argv = [program, "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{port}"]
            with running([*argv, f"--storage.tsdb.path={tmp_path / 'data'}"], tmp_path):
                async with HttpClient(front.url, timeout=60) as client:
                    await handshake(client)
                    for _ in range(20):
                        await client.call("slow", {"ms": 60})
                quantile = await asyncio.to_thread(
                    get,
                    f"http://127.0.0.1:{port}/api/v1/query",
                    lambda body: bool(body["data"]["result"]),
                    query="histogram_quantile(0.5, sum by (le, gen_ai_tool_name) "
                    '(mcp_server_operation_duration_seconds_bucket{gen_ai_tool_name="slow"}))',
                )
            (result,) = quantile["data"]["result"]
            assert result["metric"] == {"gen_ai_tool_name": "slow"}
            assert float(result["value"][1]) >= 0.05

    asyncio.run(work())
