"""The page as one file: its style and its script inside it, nothing fetched, everything recorded escaped."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import cache
from heapq import nlargest
from importlib import resources
from itertools import islice
from string import Template
from typing import Final

from mcptap import __version__
from mcptap.matching.excerpt import printable
from mcptap.reporting import tables
from mcptap.reporting.markup import Markup, data, element, escaped, joined, json_data
from mcptap.reporting.packing import Packer, packed_rows
from mcptap.reporting.rows import COLUMNS, Row
from mcptap.reporting.summary import Summary

SCRIPTS: Final = (
    "format",
    "json",
    "store",
    "query",
    "grid",
    "call",
    "canvas",
    "charts",
    "timeline",
    "summary",
    "live",
    "main",
)
"""The page's script is these files, one after the other."""

_MOST_WITHOUT_SCRIPT: Final = 100
_FAILED: Final = 2


@dataclass(slots=True)
class Page:
    """What a page shows.

    Attributes:
        title: What the server is called.
        about: When it was recorded, by what, from which file.
        summary: The numbers.
        rows: The calls.
        notices: What the reader must know: damaged lines, gaps.
        packer: The bodies, in a page that stands by itself.
        against: What the other recording is called, where there is one.
        live: Whether the page goes on asking for more.
    """

    title: str
    about: str
    summary: Summary
    rows: list[Row] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    packer: Packer = field(default_factory=Packer)
    against: str | None = None
    live: bool = False


def policy(*, live: bool) -> str:
    """The Content-Security-Policy of a page: its own script and style, by their hashes, and nothing else."""
    sources = [
        "default-src 'none'",
        f"script-src 'sha256-{_hash(_script())}'",
        f"style-src 'sha256-{_hash(_file('style.css'))}'",
        f"connect-src {chr(39)}{'self' if live else 'none'}{chr(39)}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(sources)


def html_of(page: Page) -> str:
    """The page as HTML."""
    summary = page.summary
    facts = {
        "columns": COLUMNS,
        "firsts": page.packer.firsts,
        "against": page.against,
        "live": page.live,
        "sessions": [each.cells() for each in summary.sessions.values()],
    }
    blocks = [json_data("facts", facts)]
    if not page.live:
        blocks.append(data("rows", packed_rows(page.rows)))
        blocks += (data(f"bodies-{number}", chunk) for number, chunk in enumerate(page.packer.chunks))
    return Template(_file("page.html")).substitute(
        policy=escaped(policy(live=page.live)),
        style=_file("style.css"),
        script=_script(),
        title=escaped(printable(page.title)),
        about=escaped(printable(page.about)),
        version=escaped(__version__),
        notices=joined(*(element("li", printable(text)) for text in page.notices)),
        cards=tables.cards(summary),
        compared=tables.compared(page.rows, page.against) if page.against else Markup(""),
        groups=tables.groups_table(summary),
        sessions=tables.sessions_table(summary),
        without_script=_without_script(page),
        data=joined(*blocks),
    )


def _without_script(page: Page) -> Markup:
    failed = list(islice((row for row in page.rows if row.failed == _FAILED), _MOST_WITHOUT_SCRIPT))
    differing = list(islice((row for row in page.rows if row.mark not in {"", "same"}), _MOST_WITHOUT_SCRIPT))
    slow = nlargest(_MOST_WITHOUT_SCRIPT, page.rows, key=lambda row: row.ms or 0)
    return joined(
        element(
            "p", "Without scripts the list can't be searched: these are what failed and the slowest requests."
        ),
        tables.calls_table(differing, f"The first {len(differing)} that differ") if differing else Markup(""),
        tables.calls_table(failed, f"The first {len(failed)} that failed") if failed else Markup(""),
        tables.calls_table(slow, f"The {len(slow)} slowest requests"),
    )


@cache
def _file(name: str) -> str:
    return resources.files("mcptap.reporting").joinpath("static", name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    return "\n".join(_file(f"{name}.js") for name in SCRIPTS)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
