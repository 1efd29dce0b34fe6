"""The tools and paged methods of the wire server: each gives a result as a JSON text, or none."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.servers import wire_answers as answers
from tests.servers import wire_tasks as tasks
from tests.servers.wire_call import Call, RefusedError

if TYPE_CHECKING:
    from tests.servers.wire import Server

_CANCELLED = None


def _structured(text: str, content: str = "[]") -> str:
    return f'{{"content":{content},"structuredContent":{text}}}'


def _number(call: Call, name: str, otherwise: float) -> float:
    return float(call.arguments.get(name, otherwise))


def _cancelled_within(call: Call, seconds: float) -> bool:
    try:
        return call.inbox.get(timeout=seconds) is _CANCELLED
    except queue.Empty:
        return False


def _echo(server: Server, call: Call) -> str:
    return _structured(call.params, '[{"type":"text","text":"echo"}]')


def _counter(server: Server, call: Call) -> str:
    server.counted += 1
    return _structured(f'{{"count":{server.counted}}}', f'[{{"type":"text","text":"{server.counted}"}}]')


def _seen(server: Server, call: Call) -> str:
    return _structured(f'{{"notifications":[{",".join(server.notifications)}]}}')


def _progress(server: Server, call: Call) -> str | None:
    """Arguments: ``n`` notifications (3), one each ``ms`` (0)."""
    token = call.meta.get("progressToken")
    count = int(_number(call, "n", 3))
    for number in range(1, count + 1):
        if token is not None:
            server.notify(
                "notifications/progress",
                f'{{"progressToken":{token},"progress":{number}.0,"total":{count}.00,'
                f'"message":"step {number}","x-progress":[{number}]}}',
            )
        if _cancelled_within(call, _number(call, "ms", 0) / 1000):
            return None
    return _structured(f'{{"sent":{count if token is not None else 0}}}')


def _log(server: Server, call: Call) -> str | None:
    """Arguments: ``n`` messages (1), and ``ms`` (0) after each."""
    count = int(_number(call, "n", 1))
    for number in range(1, count + 1):
        server.notify(
            "notifications/message",
            f'{{"level":"info","logger":"wire","data":{{"number":{number}.0}},"x-log":null}}',
        )
        if _cancelled_within(call, _number(call, "ms", 0) / 1000):
            return None
    return _structured(f'{{"sent":{count}}}')


def _notify(server: Server, call: Call) -> str:
    """Send a notification that no specification names, with or without params."""
    server.notify("notifications/example", '{"x":1.0,"list":[12345678901234567890]}')
    server.notify("notifications/bare")
    return _structured('{"sent":2}')


def _slow(server: Server, call: Call) -> str | None:
    """Arguments: ``ms`` (100). Says nothing when it is cancelled meanwhile."""
    milliseconds = _number(call, "ms", 100)
    if _cancelled_within(call, milliseconds / 1000):
        return None
    return _structured(f'{{"slept":{json.dumps(call.arguments.get("ms", 100))}}}')


def _never(server: Server, call: Call) -> None:
    """Leaves the request unanswered for ever."""


def _asked(call: Call) -> tuple[str, str]:
    method, params = answers.ASKED[str(call.arguments.get("kind", "elicitation"))]
    message = call.arguments.get("message", "Who are you?")
    return method, params.replace("MESSAGE", json.dumps(message))


def _ask(server: Server, call: Call) -> str | None:
    """Arguments: ``kind`` (elicitation, url, sampling, roots), ``message``, ``rounds`` (1).

    With ``patience_ms`` what is not answered so long is taken back.
    """
    if call.modern:
        return _ask_modern(server, call)
    patience = _number(call, "patience_ms", 0) / 1000 or None
    heard = []
    for _ in range(int(_number(call, "rounds", 1))):
        answer = server.ask(call, *_asked(call), patience=patience)
        if answer is None:
            return None
        member = "error" if "error" in answer else "result"
        heard.append(f'{{"{member}":{answer[member]}}}')
    return _structured(f'{{"answers":[{",".join(heard)}]}}')


def _ask_modern(server: Server, call: Call) -> str:
    """Ask by an unfinished result; each retry must bring back the state that was given out last."""
    asked = 0
    if "requestState" in call.members:
        state = call.text("requestState")
        if state not in server.states:
            raise RefusedError.of(-32602, "Unknown requestState", json.dumps(state))
        asked = server.states.pop(state)
    if asked >= int(_number(call, "rounds", 1)):
        responses = call.members.get("inputResponses", "null")
        return _structured(f'{{"answers":{responses}}}')
    state = f"state/{asked + 1}/{os.urandom(6).hex()}"
    server.states[state] = asked + 1
    method, params = _asked(call)
    return (
        f'{{"resultType":"input_required","inputRequests":{{"first":{{"method":"{method}","params":{params}}}}},'
        f'"requestState":"{state}","_meta":{{"example.com/round":{asked + 1}.0}}}}'
    )


def _die(server: Server, call: Call) -> None:
    """Arguments: ``code`` (3). Exits without an answer."""
    os._exit(int(_number(call, "code", 3)))


def _rubbish(server: Server, call: Call) -> str:
    server.write("this is not JSON")
    print("a line on stderr", file=sys.stderr, flush=True)
    return _structured('{"rubbish":true}')


def _spawn(server: Server, call: Call) -> str:
    """Arguments: ``keeps_pipes`` (false): the grandchild holds this process's stdin and stdout open."""
    stream = None if call.arguments.get("keeps_pipes") else subprocess.DEVNULL
    grandchild = subprocess.Popen(["sleep", "1000"], stdin=stream, stdout=stream, stderr=stream)
    return _structured(f'{{"pid":{grandchild.pid}}}')


def _big(server: Server, call: Call) -> str:
    """Arguments: ``bytes`` (1000)."""
    text = "x" * int(_number(call, "bytes", 1000))
    return f'{{"content":[{{"type":"text","text":"{text}"}}]}}'


def _change(server: Server, call: Call) -> str:
    """The changes are announced after the answer, so outside any request of the handshake era."""
    return _structured('{"announced":2}')


Tool = Callable[["Server", Call], str | None]

TOOLS: dict[str, Tool] = {
    "echo": _echo,
    "headered": _echo,
    "counter": _counter,
    "seen": _seen,
    "progress": _progress,
    "log": _log,
    "notify": _notify,
    "slow": _slow,
    "never": _never,
    "ask": _ask,
    "die": _die,
    "rubbish": _rubbish,
    "spawn": _spawn,
    "big": _big,
    "change": _change,
    "task": tasks.start,
}

WAITING = frozenset({"slow", "progress", "log", "ask", "change"})
"""Tools that wait and so run in a thread; all others are answered in the order of arrival."""


def run(server: Server, call: Call) -> str | None:
    """Answer ``tools/call``."""
    name = call.text("name")
    if name in answers.FIXED:
        return answers.FIXED[name]
    if name in answers.ERRORS:
        raise RefusedError(answers.ERRORS[name])
    if name not in TOOLS:
        raise RefusedError.of(-32602, f"Unknown tool: {name}")
    return TOOLS[name](server, call)


def announce_changes(server: Server, call: Call) -> None:
    """Tell the client, or every subscription that asked for it, that lists and a resource changed.

    Arguments of the call: ``ms`` (20) between its answer and this.
    """
    time.sleep(_number(call, "ms", 20) / 1000)
    if not call.modern:
        server.notify("notifications/tools/list_changed")
        server.notify("notifications/resources/updated", '{"uri":"wire://text","x-updated":1.0}')
        return
    for identity, wanted in list(server.listening.items()):
        meta = f'"_meta":{{"{answers.SUBSCRIPTION_META}":{identity}}}'
        if wanted.get("toolsListChanged"):
            server.notify("notifications/tools/list_changed", f"{{{meta}}}")
        if "wire://text" in wanted.get("resourceSubscriptions", ()):
            server.notify(
                "notifications/resources/updated", f'{{"uri":"wire://text","x-updated":1.0,{meta}}}'
            )


def _tool_pages() -> tuple[str, ...]:
    written = {json.loads(text)["name"] for text in answers.FIRST_TOOLS}
    names = [name for name in (*TOOLS, *answers.FIXED, *answers.ERRORS) if name not in written]
    rest = [f'{{"name":"{name}","inputSchema":{{"type":"object"}}}}' for name in names]
    half = len(rest) // 2
    return (
        f'{{"tools":[{",".join(answers.FIRST_TOOLS)}],"nextCursor":"dG9vbHM6Mg==","x-page":1.0}}',
        f'{{"tools":[{",".join(rest[:half])}],"nextCursor":"tools/3 \\u00e9"}}',
        f'{{"tools":[{",".join(rest[half:])}],"_meta":{{"example.com/last":true}}}}',
    )


def _paged(pages: tuple[str, ...]) -> Tool:
    cursors = [json.loads(page).get("nextCursor") for page in pages]
    by_cursor: dict[Any, str] = dict(zip([None, *cursors[:-1]], pages, strict=True))

    def page(server: Server, call: Call) -> str:
        cursor = call.text("cursor") if "cursor" in call.members else None
        if cursor not in by_cursor:
            raise RefusedError.of(-32602, "Invalid cursor", json.dumps({"cursor": cursor}))
        return by_cursor[cursor]

    return page


def _read(server: Server, call: Call) -> str:
    uri = call.text("uri")
    if uri not in answers.RESOURCES:
        # The modern era retired the code for a missing resource.
        code = -32602 if call.modern else -32002
        raise RefusedError.of(code, "Resource not found", json.dumps({"uri": uri}))
    return answers.RESOURCES[uri]


def _listen(server: Server, call: Call) -> None:
    """Open a subscription; it stays unanswered until the client cancels it."""
    wanted = call.members.get("notifications", "{}")
    server.listening[call.id] = json.loads(wanted)
    server.notify(
        "notifications/subscriptions/acknowledged",
        f'{{"_meta":{{"{answers.SUBSCRIPTION_META}":{call.id}}},"notifications":{wanted}}}',
    )


def _custom(server: Server, call: Call) -> str:
    server.notify("notifications/example", '{"during":"example/custom"}')
    return f'{{"custom":1.0,"params":{call.params}}}'


def _discover(server: Server, call: Call) -> str:
    return answers.DISCOVER


METHODS: dict[str, Tool] = {
    "server/discover": _discover,
    "tools/list": _paged(_tool_pages()),
    "resources/list": _paged(answers.RESOURCE_PAGES),
    "resources/read": _read,
    "subscriptions/listen": _listen,
    "tasks/get": tasks.get,
    "tasks/update": tasks.update,
    "tasks/cancel": tasks.cancel,
    "example/custom": _custom,
    "example/empty": lambda server, call: "{}",
}
