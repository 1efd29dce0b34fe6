"""mcptap: a proxy that observes, records and replays MCP servers that you can't touch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mcptap.cassette.reader import Cassette, open_cassette
    from mcptap.recording import record_to
    from mcptap.tap.app import Tap
    from mcptap.tap.creating import create_tap
    from mcptap.tap.middleware import TapMiddleware
    from mcptap.using import use_cassette

# FastMCP takes over a second to import: each name is imported when it is first used.
_HOMES = {
    "Cassette": "mcptap.cassette.reader",
    "Tap": "mcptap.tap.app",
    "TapMiddleware": "mcptap.tap.middleware",
    "create_tap": "mcptap.tap.creating",
    "open_cassette": "mcptap.cassette.reader",
    "record_to": "mcptap.recording",
    "use_cassette": "mcptap.using",
}

__all__ = [
    "Cassette",
    "Tap",
    "TapMiddleware",
    "__version__",
    "create_tap",
    "open_cassette",
    "record_to",
    "use_cassette",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mcptap' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
