"""FastMCP's own proxy, which is what one would use without mcptap.

python -m tests.benchmarks.stock_proxy stdio COMMAND…
python -m tests.benchmarks.stock_proxy http PORT URL
"""

from __future__ import annotations

import sys

from fastmcp.client.transports import StdioTransport
from fastmcp.server import create_proxy

if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        create_proxy(StdioTransport(sys.argv[2], sys.argv[3:])).run("stdio", show_banner=False)
    else:
        create_proxy(sys.argv[3]).run(
            "http",
            show_banner=False,
            host="127.0.0.1",
            port=int(sys.argv[2]),
            uvicorn_config={"log_level": "warning", "access_log": False},
        )
