"""An upstream as most are written: FastMCP over stdio, with the SDK's own pipes.

python -m tests.benchmarks.upstream_fastmcp
"""

from __future__ import annotations

from fastmcp import FastMCP

server = FastMCP("upstream")


@server.tool(output_schema=None)
def fast(text: str) -> str:
    """Answer at once."""
    return f"an answer of a hundred bytes or thereabouts: {text}"


if __name__ == "__main__":
    server.run(show_banner=False, log_level="ERROR")
