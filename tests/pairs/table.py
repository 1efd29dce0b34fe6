"""The table of the pairs: `pytest -m pairs` prints it, and the README has it."""

from __future__ import annotations

from collections.abc import Iterable

NAMES = {"stdio": "stdio", "http": "Streamable HTTP", "sse": "HTTP+SSE", "ws": "WebSocket"}
PROPERTY = "pair"


def table(held: Iterable[tuple[str, str, str]]) -> str:
    """The table as Markdown.

    Args:
        held: Client transport, server transport and era of everything that was live, recorded and
            replayed the same as direct.
    """
    eras: dict[tuple[str, str], list[str]] = {}
    for front, back, era in sorted(set(held)):
        eras.setdefault((front, back), []).append(era)
    rows = [["client ↓ server →", *NAMES.values()], ["---"] * (len(NAMES) + 1)]
    for front, name in NAMES.items():
        cells = [{0: "", 1: "one era", 2: "✓"}[len(eras.get((front, back), []))] for back in NAMES]
        rows.append([name, *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
