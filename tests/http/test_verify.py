"""`mcptap verify --url`: a server over HTTP is what was recorded of it, in both eras and over legacy SSE."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.exceptions import ToolError

from mcptap.tap.creating import create_tap
from tests.http.running import MCPTAP, PATIENCE, ROOT, server

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("echo", {"text": "x"}),
    ("progress", {}),
    ("log", {}),
    ("elicitation", {}),
    ("failing", {}),
]


async def _name(*_: Any) -> ElicitResult[Any]:
    return ElicitResult(action="accept", content={"value": "Ada"})


@pytest.mark.anyio
@pytest.mark.parametrize(("transport", "mode"), [("http", "legacy"), ("http", "auto"), ("sse", "legacy")])
async def test_a_server_holds_what_was_recorded_of_it(transport: str, mode: Any, tmp_path: Path) -> None:
    path = tmp_path / "rec.jsonl"
    async with server("toolbox", transport) as upstream:
        url = f"{upstream.url}/{'sse' if transport == 'sse' else 'mcp'}"
        async with Client(create_tap(url, cassette=path), mode=mode, elicitation_handler=_name) as client:
            await client.list_tools()
            await client.read_resource("toolbox://items/3")
            await client.get_prompt("greet", {"name": "Ada"})
            for name, arguments in CALLS:
                with contextlib.suppress(ToolError):
                    await client.call_tool(name, arguments)
        process = await asyncio.create_subprocess_exec(
            *MCPTAP,
            *("verify", str(path), "--url", url, "-H", "X-Key: abc", "--json"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE):
            output, errors = await process.communicate()
    *verdicts, numbers = map(json.loads, output.splitlines())
    assert [verdict for verdict in verdicts if verdict["verdict"] != "same"] == []
    assert numbers["summary"]["same"] >= len(CALLS) + 3
    assert (process.returncode, errors) == (0, b"")
