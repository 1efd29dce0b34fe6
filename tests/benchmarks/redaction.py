"""What redaction costs, by the size and kind of a message, in microseconds of CPU.

    python -m tests.benchmarks.redaction

"nothing" is a message in which nothing looks like a secret, which is nearly every one; "names" has the words
of which names of secrets are made, and no secret; "secrets" has one of them in every kilobyte.
"""

from __future__ import annotations

import time
import timeit
from typing import Any

from mcptap.codec import dumps
from mcptap.redaction.known import Known
from mcptap.redaction.redactor import Redactor
from mcptap.redaction.rules import BUILT_IN

ROW = '{"id": 1234, "name": "a thing", "price": 19.5, "labels": ["red", "large"], "in_stock": true}\n'
NAMES = '{"keyword": "the token of a secret", "author": "a cookie maker", "url": "https://example.com/a"}\n'
SECRET = '{"user": "bob", "password": "hunter2hunter2", "note": "ghp_a1B2a1B2a1B2a1B2a1B2a1B2"}\n'


def message(kind: str, size: int) -> dict[str, Any]:
    rows = {"nothing": [ROW], "names": [ROW] * 4 + [NAMES], "secrets": [ROW] * 10 + [SECRET]}[kind]
    text = "".join(rows)
    return {"content": [{"type": "text", "text": (text * (size // len(text) + 1))[:size]}]}


def microseconds(call: Any) -> float:
    timer = timeit.Timer(call, timer=time.process_time)
    number, _ = timer.autorange()
    return min(timer.repeat(repeat=5, number=number)) / number * 1e6


def main() -> None:
    redactor = Redactor(BUILT_IN, "salt")
    print(f"{'':10}{'KB':>8}{'write':>10}{'redact':>10}{'µs/KB':>8}")
    for kind in ("nothing", "names", "secrets"):
        for size in (100, 10_000, 1_000_000):
            value = message(kind, size)
            known = Known()
            redactor.value(value, known)
            # As the recorder does it: the text is made anyway, and looked at again only where it has to be.
            text = dumps(value)
            if redactor.may_have_secrets(text, known):
                took = microseconds(lambda value=value, known=known: dumps(redactor.value(value, known)))
            else:
                took = microseconds(lambda text=text, known=known: redactor.may_have_secrets(text, known))
            written = microseconds(lambda value=value: dumps(value))
            print(
                f"{kind:10}{size / 1000:8.1f}{written:10.1f}{took:10.1f}{took / (size / 1000):8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
