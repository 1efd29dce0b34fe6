"""Verdicts as a JUnit report: a test case for every recorded request.

JUnit has no specification; this keeps to what the schemas of Jenkins' xUnit plugin and of Apache Ant have
in common with what GitLab reads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from mcptap.comparing.finding import Finding, Verdict
from mcptap.errors import UsageError
from mcptap.matching.excerpt import one_line
from mcptap.matching.nearest import ABSENT

if TYPE_CHECKING:
    from mcptap.cassette.reader import Cassette

_NOT_XML: Final = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, cassette: Cassette, verdicts: Sequence[Verdict]) -> None:
    """Write the report.

    Args:
        path: Where to.
        cassette: What was verified.
        verdicts: What was found out.

    Raises:
        UsageError: It can't be written.
    """
    suites = Element("testsuites")
    numbers = {
        "tests": len(verdicts),
        "failures": sum(verdict.state == "differs" for verdict in verdicts),
        "errors": 0,
        "skipped": sum(verdict.state == "skipped" for verdict in verdicts),
    }
    suite = SubElement(suites, "testsuite", name=_xml(str(cassette.path)))
    for name, number in numbers.items():
        suite.set(name, str(number))
    suite.set("time", f"{sum(verdict.live_ms or 0.0 for verdict in verdicts) / 1000:.3f}")
    for verdict in verdicts:
        _add_case(suite, verdict)
    indent(suites)
    try:
        ElementTree(suites).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from error


def _add_case(suite: Element, verdict: Verdict) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=_xml(verdict.method),
        name=_xml(f"interaction {verdict.seq}: {verdict.about}"),
        time=f"{(verdict.live_ms or 0.0) / 1000:.3f}",
    )
    if verdict.skipped is not None:
        SubElement(case, "skipped", message=_xml(verdict.skipped))
    elif verdict.findings:
        worst = next((each for each in verdict.findings if each.severity == "breaking"), verdict.findings[0])
        failure = SubElement(case, "failure", type=worst.severity, message=_xml(worst.text))
        failure.text = _xml("\n".join(map(_text, verdict.findings)))
    if verdict.notes:
        SubElement(case, "system-out").text = _xml("\n".join(verdict.notes))


def _text(finding: Finding) -> str:
    about = f"{finding.about}: " if finding.about else ""
    sides = {"recorded": finding.recorded, "live": finding.live}
    values = [f"  {side:<8} {one_line(value)}" for side, value in sides.items() if value is not ABSENT]
    return "\n".join([f"{finding.severity}: {about}{finding.text} at {finding.path}", *values])


def _xml(text: str) -> str:
    """``text`` without what XML 1.0 can't hold."""
    return _NOT_XML.sub("�", text)
