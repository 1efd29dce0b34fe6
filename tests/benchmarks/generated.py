"""Writes a cassette of any size, the same bytes for the same seed.

    python -m tests.benchmarks.generated PATH [--interactions 1000000] [--seed 7] [--slowdown 1.0]

Forty tools with lognormal latencies, errors of both sorts, events, and a few calls that stayed open for
more than a second and so have lines of their own: about 490 bytes an interaction.
"""

from __future__ import annotations

import argparse
import random
import string
from collections.abc import Iterator
from pathlib import Path

TOOLS = 40
SESSIONS = 8
OPEN_AFTER_MS = 1000.0

_HEADER = (
    '{"mcptap":"cassette","version":1,"id":"generated-%d","recorded_at":"2026-11-22T20:00:00.000Z",'
    '"by":"mcptap 0.1.0","upstream":{"name":"generated","transport":"stdio","target":["generated"]},'
    '"redaction":[]}\n'
)
_PROGRESS = (
    '{"at_ms":%.3f,"from":"server","method":"notifications/progress","params":{"progress":1,"total":2}}'
)


def cassette_lines(interactions: int, seed: int, slowdown: float = 1.0) -> Iterator[str]:
    """The lines of a cassette; ``slowdown`` multiplies every latency."""
    chance = random.Random(seed)
    letters = string.ascii_letters + " "
    texts = ["".join(chance.choices(letters, k=chance.randint(100, 300))) for _ in range(200)]
    yield _HEADER % seed
    for session in range(1, SESSIONS + 1):
        era = ("handshake", "modern")[session % 2]
        yield (
            f'{{"kind":"session","session":{session},"at":0.001,"era":"{era}",'
            '"transport":"stdio","client":{"name":"generated","version":"1"}}\n'
        )
    at = 0.0
    for seq in range(1, interactions + 1):
        at += chance.expovariate(100.0)
        tool = min(int(chance.expovariate(0.1)), TOOLS - 1)
        ms = slowdown * chance.lognormvariate(1.0 + tool / 20, 0.6 if chance.random() < 0.999 else 3.0)
        request = (
            f'"seq":{seq},"session":{chance.randint(1, SESSIONS)},"at":{at:.6f},"method":"tools/call",'
            f'"params":{{"name":"tool_{tool:02d}",'
            f'"arguments":{{"query":"{texts[seq % 100][:60]}","limit":{seq % 50}}},'
            f'"_meta":{{"progressToken":{seq}}}}}'
        )
        times = f'"ms":{ms:.3f},"proxy_ms":{chance.lognormvariate(-1.5, 0.4):.3f}'
        fate = chance.random()
        if fate < 0.01:
            answer = f'"error":{{"code":-32603,"message":"{texts[seq % 200][:80]}"}}'
        else:
            text = texts[seq % 200]
            failed = ',"isError":true' if fate < 0.03 else ""
            answer = f'"result":{{"content":[{{"type":"text","text":"{text}"}}]{failed}}}'
        progress = _PROGRESS % (ms / 2) if chance.random() < 0.02 else ""
        if ms > OPEN_AFTER_MS:
            yield f'{{"kind":"begin",{request}}}\n'
            if progress:
                yield f'{{"kind":"event","seq":{seq},{progress[1:]}\n'
            yield f'{{"kind":"end","seq":{seq},{times},{answer}}}\n'
        else:
            events = f',"events":[{progress}]' if progress else ""
            yield f'{{"kind":"interaction",{request},{times},{answer}{events}}}\n'


def write(path: Path, interactions: int, seed: int = 7, slowdown: float = 1.0) -> Path:
    """Write a generated cassette to ``path``."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(cassette_lines(interactions, seed, slowdown))
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--slowdown", type=float, default=1.0)
    options = parser.parse_args()
    written = write(options.path, options.interactions, options.seed, options.slowdown)
    print(f"{written}: {written.stat().st_size / 1e6:.0f} MB")
