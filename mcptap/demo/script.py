"""Who plays: the servers of the demo, and what its client asks them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from mcptap.model import Json

Mode: TypeAlias = Literal["auto", "legacy"]


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the client: a call of ``tool``, or of ``tools/list`` where that is ``None``.

    ``told`` says in a few words what a result says; only for the screen.
    """

    tool: str | None
    told: Callable[[Json], str]
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """One server, and the session of a client with it.

    Attributes:
        name: What it is called.
        argv: How it is started.
        mode: The client's era: ``auto`` is the modern one where the server knows it.
        opening: The request that opens a session in that era.
        steps: What the client asks, in order.
        reply: What its user answers to every elicitation.
    """

    name: str
    argv: tuple[str, ...]
    mode: Mode
    opening: str
    steps: tuple[Step, ...]
    reply: str = ""


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
    opening="server/discover",
    steps=(
        Step(None, _tools),
        Step("get_current_time", _clock, {"timezone": "Asia/Tokyo"}),
        Step(
            "convert_time",
            _converted,
            {"source_timezone": "Europe/Rome", "time": "18:30", "target_timezone": "Asia/Tokyo"},
        ),
        Step("get_current_time", _text, {"timezone": "Mars/Olympus"}),
        Step("tell_fortune", _text),
    ),
)
"""A server from PyPI, which speaks the modern era."""

CAFE: Final = Script(
    name="cafe",
    argv=(sys.executable, "-m", "mcptap.demo.server"),
    mode="legacy",
    opening="initialize",
    steps=(
        Step(None, _tools),
        Step("roll_dice", _text, {"sides": 6}),
        Step("roll_dice", _text, {"sides": 6}),
        Step("brew", _text, {"cups": 3}),
        Step("order", _text, {"drink": "espresso"}),
        Step("split_bill", _text, {"total": 9.5, "guests": 0}),
        Step("slow_roast", _text, {"milliseconds": 400}),
    ),
    reply="large",
)
"""The server of `mcptap.demo.server`, in the handshake era, where a server may ask within a call."""

SCRIPTS: Final = (TIME, CAFE)
