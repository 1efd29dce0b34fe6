"""``/metrics`` of an HTTP front, in Prometheus' text format."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.clients.raw import HttpClient, handshake
from tests.http.running import WIRE, mcptap
from tests.telemetry.test_weather import mcptap as run_mcptap


def test_a_front_serves_its_metrics_behind_the_same_host_check(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            mcptap("record", "-o", str(tmp_path / "rec.jsonl"), "--metrics", "--", *WIRE) as running,
            httpx2.AsyncClient(trust_env=False) as http,
        ):
            async with HttpClient(running.url, timeout=60) as client:
                await handshake(client)
                await client.call("echo")
                await client.call("tool_error")
            address = running.url.replace("/mcp", "/metrics")
            answer = await http.get(address)
            assert answer.headers["content-type"].startswith("text/plain")
            families = {each.name: each for each in text_string_to_metric_families(answer.text)}
            duration = families["mcp_server_operation_duration_seconds"]
            counts = {
                (each.labels["mcp_method_name"], each.labels.get("error_type", "")): each.value
                for each in duration.samples
                if each.name.endswith("_count") and each.labels["mcp_method_name"] == "tools/call"
            }
            assert counts == {("tools/call", ""): 1, ("tools/call", "tool_error"): 1}
            bounds = {each.labels["le"] for each in duration.samples if each.name.endswith("_bucket")}
            assert {"0.01", "300.0", "+Inf"} <= bounds
            (recorded,) = [
                each for each in families["mcptap_recording_interactions"].samples
                if each.name.endswith("_total")
            ]  # fmt: skip
            assert recorded.value == 3
            refused = await http.get(address, headers={"host": "evil.example"})
            assert refused.status_code in {400, 403, 421}

    asyncio.run(work())


def test_metrics_for_prometheus_need_an_http_front_and_a_path_of_their_own() -> None:
    refused = run_mcptap("replay", "recordings/time.jsonl", "--metrics")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "--transport http" in refused.stderr
    refused = run_mcptap(
        "replay", "recordings/time.jsonl", "--transport", "http", "--path", "/metrics",
        OTEL_METRICS_EXPORTER="prometheus",
    )  # fmt: skip
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
