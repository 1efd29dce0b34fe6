"""The tasks extension of the conformance server.

A task has no process behind it: what state it is in follows from the time, what it waits for and
whether it was cancelled.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from mcp_types import HEADER_MISMATCH, INVALID_PARAMS

from tests.servers.conformance_call import (
    STRING,
    TASKS,
    Call,
    Json,
    form,
    input_required,
    refuse,
    text,
    tool,
)
from tests.servers.conformance_rounds import name_in

_CONFIRM: Final = {"type": "boolean"}
_NAME: Final[Json] = {"user_name": form("What is your name?", name=STRING)}
_SOON: Final = 0.3


@dataclass
class Task:
    """Work that the client asks about.

    Attributes:
        outcome: The member that it ends with: a ``result`` or an ``error``.
        seconds: How long it works.
        waits_for: What it asks then.
    """

    outcome: Json
    seconds: float = _SOON
    waits_for: Json = field(default_factory=dict)
    id: str = field(default_factory=lambda: f"task-{secrets.token_hex(8)}")
    began: float = field(default_factory=time.monotonic)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    cancelled: bool = False

    @property
    def status(self) -> str:
        if self.cancelled:
            return "cancelled"
        if time.monotonic() < self.began + self.seconds:
            return "working"
        if self.waits_for:
            return "input_required"
        return "failed" if "error" in self.outcome else "completed"

    def envelope(self) -> Json:
        return {
            "taskId": self.id,
            "status": self.status,
            "createdAt": self.created,
            "lastUpdatedAt": self.created,
            "ttlMs": 300_000,
            "pollIntervalMs": 100,
        }


_tasks: Final[dict[str, Task]] = {}


@tool("Greet at once", name=STRING)
async def greet(call: Call) -> Json:
    return text(f"Hello, {call.arguments.get('name')}!")


@tool("Compute for some seconds", seconds={"type": "number"}, label=STRING)
async def slow_compute(call: Call) -> Json:
    seconds = float(call.arguments.get("seconds", 0))
    result = text(f"Computed {call.arguments.get('label')}.")
    if not call.has_tasks:
        await asyncio.sleep(seconds)
        return result
    return _started(Task(_done(result), seconds))


@tool("Fail as a task")
async def failing_job(call: Call) -> Json:
    _require_tasks(call)
    return _started(Task(_done(text("The job failed.", error=True))))


@tool("Break as a task")
async def protocol_error_job(call: Call) -> Json:
    _require_tasks(call)
    return _started(Task({"error": {"code": -32603, "message": "The job broke"}}))


@tool("Ask before deleting, as a task", filename=STRING)
async def confirm_delete(call: Call) -> Json:
    _require_tasks(call)
    filename = call.arguments.get("filename")
    question = {"confirm-1": form(f"Delete {filename}?", confirm=_CONFIRM)}
    return _started(Task(_done(text(f"Deleted {filename}.")), waits_for=question))


@tool("Ask two questions, as a task")
async def multi_input(call: Call) -> Json:
    _require_tasks(call)
    questions = {f"input-{number}": form(f"Question {number}", name=STRING) for number in (1, 2)}
    return _started(Task(_done(text("Both are answered.")), waits_for=questions))


@tool("Ask inside a result, then go on as a task")
async def test_tool_with_task(call: Call) -> Json:
    _require_tasks(call)
    answers = call.answers(_NAME)
    if answers is None:
        return input_required(_NAME)
    return _started(Task(_done(text(f"Hello, {name_in(answers)}!"))))


async def get(call: Call) -> Json:
    task = _found(call)
    state = task.envelope()
    if state["status"] == "input_required":
        return {**state, "inputRequests": dict(task.waits_for)}
    return {**state, **task.outcome} if state["status"] in {"completed", "failed"} else state


async def update(call: Call) -> Json:
    task = _found(call)
    for key in call.params.get("inputResponses") or {}:
        task.waits_for.pop(key, None)
    return {}


async def cancel(call: Call) -> Json:
    task = _found(call)
    # What has ended stays as it ended.
    task.cancelled = task.cancelled or task.status in {"working", "input_required"}
    return {}


def _done(result: Json) -> Json:
    return {"result": {"resultType": "complete", **result}}


def _started(task: Task) -> Json:
    _tasks[task.id] = task
    return {"resultType": "task", **task.envelope()}


def _require_tasks(call: Call) -> None:
    if not call.has_tasks:
        call.require(extensions={TASKS: {}})


def _found(call: Call) -> Task:
    if not call.has_tasks:
        call.require(extensions={TASKS: {}})
    name = str(call.params.get("taskId"))
    request = call.context.request
    if request is not None and request.headers.get("mcp-name", name) != name:
        refuse(HEADER_MISMATCH, "The Mcp-Name header is not the task's id")
    if name not in _tasks:
        refuse(INVALID_PARAMS, "There is no such task")
    return _tasks[name]
