"""Many servers in one process: each is a service of its own name, with metrics of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from tests.clients.raw import HttpClient, handshake
from tests.http.running import PATIENCE
from tests.http.test_many import WIRE, many, write
from tests.telemetry.receivers import collector


@pytest.mark.parametrize("together", [None, "fleet"])
def test_each_server_of_a_configuration_is_a_service_of_its_name(
    together: str | None, tmp_path: Path
) -> None:
    named = {} if together is None else {"OTEL_SERVICE_NAME": together}

    async def work() -> None:
        config = write(tmp_path, {"one": WIRE, "two": WIRE})
        with collector("http/protobuf") as received:
            async with many("proxy", config, **received.environment, **named) as running:
                for name in ("one", "two"):
                    async with HttpClient(
                        f"{running.url}/{name}/mcp", era="modern", timeout=PATIENCE
                    ) as client:
                        await client.call("echo", {"text": name})
                assert await running.stop() == 0, running.text
            services = {each.resource["service.name"] for each in received.spans}
            assert services == {"one", "two"}
            namespaces = {each.resource.get("service.namespace") for each in received.spans}
            assert namespaces == {together}, "what OTEL_SERVICE_NAME says is what they are together"
            assert "mcp.server.operation.duration" in received.metrics

    asyncio.run(work())


def test_each_server_of_a_configuration_has_its_own_metrics(tmp_path: Path) -> None:
    async def work() -> None:
        config = write(tmp_path, {"one": WIRE, "two": WIRE})
        async with (
            many("proxy", config, "--metrics") as running,
            httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as http,
        ):
            async with HttpClient(f"{running.url}/one/mcp", era="handshake", timeout=PATIENCE) as client:
                await handshake(client)
                await client.call("echo")
            texts = {}
            for name in ("one", "two"):
                answer = await http.get(f"{running.url}/{name}/metrics")
                assert answer.status_code == 200
                texts[name] = answer.text
            called = 'mcp_server_operation_duration_seconds_count{gen_ai_operation_name="execute_tool"'
            assert called in texts["one"]
            assert called not in texts["two"]
            assert 'service_name="one"' in texts["one"]
            assert 'service_name="two"' in texts["two"]

    asyncio.run(work())
