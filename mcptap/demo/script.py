"""Who plays: the servers of the demo, and what its client asks them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from mcptap.model import Json

SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"

Mode: TypeAlias = Literal["auto", "legacy"]


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the client.

    Attributes:
        method: Its method.
        told: Says in a few words what a result says; only for the screen.
        tool: The tool that is called, if it is a call.
        arguments: The arguments of the call.
    """

    method: str
    told: Callable[[Json], str]
    tool: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """One server, and the session of a client with it.

    Attributes:
        name: What it is called.
        argv: How it is started.
        mode: The client's era: ``auto`` is the modern one where the server knows it.
        opening: What opens the session in that era; the client asks it by itself.
        asked: What the client asks then, in order.
        reply: What its user answers to every elicitation.
    """

    name: str
    argv: tuple[str, ...]
    mode: Mode
    opening: Step
    asked: tuple[Step, ...]
    reply: str = ""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every request of the session."""
        return (self.opening, *self.asked)


def _call(tool: str, told: Callable[[Json], str], **arguments: Any) -> Step:
    return Step("tools/call", told, tool, arguments)


def _server(result: Json) -> str:
    info = result.get("serverInfo") or result["_meta"][SERVER_INFO]
    return f"{info['name']} {info['version']}"


def _text(result: Json) -> str:
    return str(result["content"][0]["text"])


def _tools(result: Json) -> str:
    return f"{len(result['tools'])} tools"


def _clock(result: Json) -> str:
    return str(result["structuredContent"]["datetime"])[11:]


def _converted(result: Json) -> str:
    structured = result["structuredContent"]
    return f"{structured['target']['datetime'][11:16]} ({structured['time_difference']})"


TIME: Final = Script(
    name="mcp-server-time",
    argv=(sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"),
    mode="auto",
    opening=Step("server/discover", _server),
    asked=(
        Step("tools/list", _tools),
        _call("get_current_time", _clock, timezone="Asia/Tokyo"),
        _call(
            "convert_time",
            _converted,
            time="18:30",
            source_timezone="Europe/Rome",
            target_timezone="Asia/Tokyo",
        ),
        _call("tell_fortune", _text),
    ),
)
"""A server from PyPI, which speaks the modern era."""

CAFE: Final = Script(
    name="cafe",
    argv=(sys.executable, "-m", "mcptap.demo.server"),
    mode="legacy",
    opening=Step("initialize", _server),
    asked=(
        Step("tools/list", _tools),
        _call("roll_dice", _text, sides=100),
        _call("roll_dice", _text, sides=100),
        _call("brew", _text, cups=3),
        _call("order", _text, drink="espresso"),
        _call("split_bill", _text, total=9.5, guests=0),
        _call("slow_roast", _text, milliseconds=400),
    ),
    reply="large",
)
"""The server of `mcptap.demo.server`, in the handshake era, where a server may ask within a call."""

SCRIPTS: Final = (TIME, CAFE)


def cassette_of(script: Script, folder: Path) -> Path:
    """Where the cassette of a script is."""
    return folder / f"{script.name}.jsonl"
