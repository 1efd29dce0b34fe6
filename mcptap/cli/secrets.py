"""What `mcptap inspect --secrets` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcptap.cassette.reader import Cassette
from mcptap.codec import dumps
from mcptap.matching.excerpt import printable
from mcptap.redaction.findings import Finding, findings
from mcptap.redaction.header import redacted_header, redactor_of
from mcptap.redaction.lines import LineRedactor
from mcptap.redaction.rules import BUILT_IN


def secrets_in(cassette: Cassette) -> Iterator[tuple[dict[str, Any], Finding]]:
    """Every line of a cassette that still has something that looks like a secret, with what that is.

    Raises:
        CassetteError: The cassette is damaged.
    """
    header = redacted_header(cassette.header, tuple(dict.fromkeys((*BUILT_IN, *cassette.header.redaction))))
    if cassette.header.upstream is not None and header.upstream is not None:
        before, after = list(cassette.header.upstream.target), list(header.upstream.target)
        yield from (({}, each) for each in findings(before, after, "upstream.target"))
    redactor = redactor_of(header)
    lines = LineRedactor(redactor) if redactor is not None else None
    for number, _, line in cassette.lines():
        if number > 1 and lines is not None:
            after_line = lines.line(line)
            for name in ("params", "events", "result", "error"):
                if name in line:
                    found = findings(line[name], after_line[name], name)
                    yield from (({"line": number, **line}, each) for each in found)


def shown(line: dict[str, Any], finding: Finding, *, as_json: bool) -> str | bytes:
    """A finding as a line of text, or of JSON."""
    if as_json:
        place = {name: line[name] for name in ("line", "seq", "method") if name in line}
        return dumps({**place, **finding._asdict()})
    where = f"interaction {line['seq']}" if "seq" in line else f"line {line.get('line', 1)}"
    return printable(f"{where:<16} {finding.path}  {finding.rule}: {finding.hint}")
