"""Verdicts as SARIF 2.1.0 (OASIS standard): a result for every finding, at the line of its interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from mcptap import __version__
from mcptap.codec import dumps
from mcptap.comparing.finding import Finding, Verdict
from mcptap.errors import UsageError
from mcptap.matching.excerpt import one_line
from mcptap.matching.nearest import ABSENT

if TYPE_CHECKING:
    from mcptap.cassette.reader import Cassette

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {"breaking": "error", "difference": "warning", "compatible": "note"}
_RULES: Final = {
    "breaking": "A client that was right when it was recorded may be wrong now.",
    "difference": "The live server gives another value than the recorded one.",
    "compatible": "The live server offers more than the recorded one, or says the same in other words.",
}


def write_sarif(path: Path, cassette: Cassette, verdicts: Sequence[Verdict]) -> None:
    """Write the report.

    Args:
        path: Where to.
        cassette: What was verified.
        verdicts: What was found out.

    Raises:
        UsageError: It can't be written.
        CassetteError: The cassette can't be read any more.
    """
    found = [(verdict, finding) for verdict in verdicts for finding in verdict.findings]
    lines = _lines(cassette, {verdict.seq for verdict, _ in found})
    driver = {
        "name": "mcptap",
        "version": __version__,
        "rules": [
            {"id": name, "shortDescription": {"text": text}, "defaultConfiguration": {"level": _LEVELS[name]}}
            for name, text in _RULES.items()
        ],
    }
    results = [_result(cassette.path, lines, *each) for each in found]
    run = {"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": results}
    try:
        path.write_bytes(dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}) + b"\n")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from error


def _result(path: Path, lines: Mapping[int, int], verdict: Verdict, finding: Finding) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(path.as_posix())}}
    if verdict.seq in lines:
        place["region"] = {"startLine": lines[verdict.seq]}
    what = finding.about or verdict.about
    sides = {"recorded": finding.recorded, "live": finding.live}
    values = [f"{side} {one_line(value)}" for side, value in sides.items() if value is not ABSENT]
    text = f"{what}: {finding.text} at {finding.path} (interaction {verdict.seq})"
    print_of = blake2b(f"{what} {finding.path} {finding.text}".encode("utf-8", "replace"), digest_size=16)
    message = ": ".join([text, ", ".join(values)] if values else [text])
    return {
        "ruleId": finding.severity,
        "level": _LEVELS[finding.severity],
        # A brace begins a placeholder where it isn't doubled (section 3.11.5).
        "message": {"text": message.replace("{", "{{").replace("}", "}}")},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"mcptap/v1": print_of.hexdigest()},
    }


def _lines(cassette: Cassette, seqs: set[int]) -> dict[int, int]:
    """The number of the line that each interaction begins at."""
    lines: dict[int, int] = {}
    for number, _, line in cassette.lines() if seqs else ():
        if line.get("kind") in ("interaction", "begin") and line.get("seq") in seqs:
            lines[line["seq"]] = number
    return lines
