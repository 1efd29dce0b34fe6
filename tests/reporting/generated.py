"""A recording of any size, the same for the same seed.

``python -m tests.reporting.generated 50000 big.jsonl`` writes one.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from mcptap import codec
from mcptap.cassette.format import header_line, interaction_line, message_line, session_line
from mcptap.model import CassetteHeader, Event, Interaction, Message, SessionStart, Target

TOOLS = (
    "search",
    "read_file",
    "write_file",
    "run_query",
    "summarise",
    "translate",
    "get_weather",
    "list_issues",
)
WORDS = ("alpha", "beta", "recording", "latency", "éclair", "東京", "<b>bold</b>", "&amp;", "</script>")


def records(number: int, seed: int = 7) -> Iterator[SessionStart | Interaction | Message]:
    """``number`` interactions in sessions of a few hundred, three at a time; some of them fail."""
    chance = random.Random(seed)
    at, opened = 0.0, 0
    for seq in range(1, number + 1):
        at += chance.expovariate(20)
        session = min(opened + 1, 1 + seq // 200 + chance.randrange(3))
        if session > opened:
            opened = session
            yield SessionStart(session, at, "handshake", "stdio", {"name": f"client {session % 3}"})
        if seq % 50 == 0:
            yield Message(session, at, "server", "notifications/tools/list_changed")
        yield _call(chance, seq, session, at)


def _call(chance: random.Random, seq: int, session: int, at: float) -> Interaction:
    number = chance.randrange(len(TOOLS))
    text = " ".join(chance.choices(WORDS, k=chance.randrange(3, 60)))
    ended = chance.random()
    progress = {"progress": 1, "progressToken": seq}
    return Interaction(
        seq=seq,
        session=session,
        at=at,
        method="tools/call",
        params={"name": TOOLS[number], "arguments": {"text": text[:80], "number": seq}},
        ms=chance.lognormvariate(2 + number / 4, 0.8),
        proxy_ms=chance.lognormvariate(-3, 0.4),
        result=None
        if ended < 0.01
        else {"content": [{"type": "text", "text": text}], "isError": ended < 0.02},
        error={"code": -32603, "message": f"it broke: {text[:60]}"} if ended < 0.01 else None,
        events=(Event(1.5, "server", "notifications/progress", progress),) if seq % 10 == 0 else (),
    )


def write(path: Path, number: int, seed: int = 7) -> Path:
    """Write a recording."""
    header = CassetteHeader(
        f"generated-{seed}", "2026-11-22T20:00:00.000Z", "mcptap", Target("generated", "stdio", ("server",))
    )
    with path.open("wb") as file:
        file.write(codec.dumps(header_line(header)) + b"\n")
        for record in records(number, seed):
            match record:
                case SessionStart():
                    line = session_line(record)
                case Message():
                    line = message_line(record)
                case Interaction():
                    line = interaction_line(record)
            file.write(codec.dumps(line) + b"\n")
    return path


if __name__ == "__main__":
    write(Path(sys.argv[2]), int(sys.argv[1]))
