"""The recipe: a server that speaks only legacy SSE, for clients that don't speak it any more.

    npx @modelcontextprotocol/server-everything sse
    mcptap record -o rec.jsonl --url http://127.0.0.1:3001/sse --transport http --port 3000

A current client uses http://127.0.0.1:3000/mcp. Later, without the server, ``mcptap replay rec.jsonl``
is its stand-in over stdio.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from fastmcp.client.transports import StdioTransport

from tests.http.running import ROOT, mcptap
from tests.servers.everything import everything, visit


def test_a_legacy_server_serves_current_clients_and_is_replayed_without_it(tmp_path: Path) -> None:
    async def work() -> None:
        cassette, said = tmp_path / "rec.jsonl", tmp_path / "stderr"
        async with everything("sse") as upstream:
            assert upstream.url.endswith("/sse")
            async with mcptap("record", "-o", cassette, "--url", upstream.url) as tap:
                live = await visit(tap.url)
                assert await tap.stop() == 0, tap.text
                assert "recorded" in tap.lines[-1]

        assert live.progress == [(1, 4), (2, 4), (3, 4), (4, 4)]
        assert live.asked == [
            "Resource trigger-sampling-request context: Say hello (10)",
            "Please provide inputs for the following fields:",
        ]
        assert "Name: Ada" in str(live.results["trigger-elicitation-request {}"])
        assert "Hello from the model" in str(live.results)

        argv = ["-m", "mcptap", "replay", str(cassette)]
        replayed = await visit(
            StdioTransport(sys.executable, argv, cwd=str(ROOT), keep_alive=False, log_file=said)
        )
        assert replayed.results == live.results
        assert (replayed.progress, replayed.asked) == (live.progress, live.asked)
        assert "missed 0, unused 0" in said.read_text()

    asyncio.run(work())
