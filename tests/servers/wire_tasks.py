"""The tasks of the wire server: each works until it was polled often enough, or told to go on or to stop."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tests.servers.wire_call import Call, RefusedError

if TYPE_CHECKING:
    from tests.servers.wire import Server

_END = "completed"


def start(server: Server, call: Call) -> str:
    """Arguments: ``polls`` (none: for ever) for which the task works by itself."""
    name = f"task/{os.urandom(6).hex()}"
    server.tasks[name] = {"status": "working", "left": call.arguments.get("polls")}
    return f'{{"resultType":"task",{_state(name, server.tasks[name])}}}'


def get(server: Server, call: Call) -> str:
    """Answer ``tasks/get``."""
    name, task = _found(server, call)
    if task["left"] is not None:
        task["left"] -= 1
        if task["left"] < 0 and task["status"] == "working":
            task["status"] = _END
    return f"{{{_state(name, task)}}}"


def update(server: Server, call: Call) -> str:
    """Answer ``tasks/update``: what was waited for is there."""
    _found(server, call)[1]["status"] = _END
    return "{}"


def cancel(server: Server, call: Call) -> str:
    """Answer ``tasks/cancel``."""
    _found(server, call)[1]["status"] = "cancelled"
    return "{}"


def _found(server: Server, call: Call) -> tuple[str, dict[str, Any]]:
    name = call.text("taskId")
    if name not in server.tasks:
        raise RefusedError.of(-32602, "Unknown task", json.dumps(name))
    return name, server.tasks[name]


def _state(name: str, task: dict[str, Any]) -> str:
    result = ',"result":{"content":[]}' if task["status"] == _END else ""
    return f'"taskId":"{name}","status":"{task["status"]}","ttlMs":60000.0{result}'
