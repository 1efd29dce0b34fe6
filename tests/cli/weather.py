"""A small cassette, written by hand: three forecasts, each with the time that it was asked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HEADER = {
    "mcptap": "cassette",
    "version": 1,
    "id": "w",
    "recorded_at": "2026-11-22T20:00:00.000Z",
    "by": "mcptap 0.1.0",
    "upstream": {"name": "weather", "transport": "stdio", "target": ["weather"]},
    "redaction": [],
}
INITIALIZED = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "weather", "version": "1"},
}
FORECASTS = (("Berlin", 1, "sunny"), ("Berlin", 2, "rain"), ("Paris", 3, "snow"))


def asked(city: str, at: int) -> dict[str, Any]:
    return {"city": city, "at": at}


def write_weather(path: Path, *, ms: float = 1.0) -> Path:
    """Write it; every answer took ``ms`` milliseconds."""
    session = {"kind": "session", "session": 1, "at": 0.0, "era": "handshake", "transport": "stdio"}
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"},
    }
    requests = [("initialize", params, INITIALIZED)] + [
        ("tools/call", {"name": "weather", "arguments": asked(city, at)}, told(text))
        for city, at, text in FORECASTS
    ]
    interactions = [
        {"kind": "interaction", "seq": seq, "session": 1, "at": seq / 10, "ms": ms, "proxy_ms": 0.0}
        | {"method": method, "params": params, "result": result}
        for seq, (method, params, result) in enumerate(requests, 1)
    ]
    lines = [HEADER, {**session, "client": None}, *interactions]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def told(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}
