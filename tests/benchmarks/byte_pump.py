"""What a recording stdio proxy in Python can cost at least: no protocol, no sessions, only bytes.

Every line is parsed, and a request with its answer is on the file before the answer is passed on.

    python -m tests.benchmarks.byte_pump FILE -- COMMAND…
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import orjson

LIMIT = 1 << 26


async def pump(file: str, command: list[str]) -> None:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=LIMIT)
    to_child, from_child = child.stdin, child.stdout
    assert to_child
    assert from_child
    from_client = asyncio.StreamReader(limit=LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(from_client), sys.stdin
    )
    record = os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    pending: dict[Any, tuple[float, dict[str, Any]]] = {}

    async def up() -> None:
        while line := await from_client.readline():
            message = orjson.loads(line)
            if "id" in message:
                pending[message["id"]] = (time.perf_counter(), message)
            to_child.write(line)
        to_child.close()

    async def down() -> None:
        while line := await from_child.readline():
            message = orjson.loads(line)
            started = pending.pop(message.get("id"), None)
            if started is not None:
                at, request = started
                outcome = {name: message[name] for name in ("result", "error") if name in message}
                taken = (time.perf_counter() - at) * 1000
                entry = {"at": at, "ms": taken, "method": request["method"], "params": request.get("params")}
                os.write(record, orjson.dumps(entry | outcome) + b"\n")
            os.write(1, line)

    await asyncio.gather(up(), down())


if __name__ == "__main__":
    asyncio.run(pump(sys.argv[1], sys.argv[3:]))
