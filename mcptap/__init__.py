"""mcptap: a proxy that observes, records and replays MCP servers that you can't touch."""

from __future__ import annotations

__version__ = "0.1.0"
