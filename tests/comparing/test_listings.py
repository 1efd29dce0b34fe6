"""What of a listing has changed, and whether a client breaks by it."""

from __future__ import annotations

from typing import Any

import pytest

from mcptap.comparing.finding import Finding
from mcptap.comparing.listings import listing_findings
from mcptap.comparing.values import Ignored


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object", "properties": {"q": {"type": "string"}}}} | more


def found(before: list[Any], now: list[Any], *ignored: str, complete: bool = True) -> list[Finding]:
    return listing_findings(
        "tools/list", [{"tools": before}], [{"tools": now}], Ignored(ignored), complete=complete
    )


def schema(**more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"q": {"type": "string"}}, **more}


CHANGES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("breaking", {}, {"inputSchema": schema(required=["q"])}),
    ("breaking", {}, {"inputSchema": {"type": "object"}}),
    ("breaking", {}, {"inputSchema": schema(properties={"q": {"type": "integer"}})}),
    ("breaking", {}, {"inputSchema": schema(properties={"q": {"type": "string", "enum": ["a"]}})}),
    ("compatible", {}, {"inputSchema": schema(properties={"q": {"type": ["string", "null"]}})}),
    ("compatible", {}, {"inputSchema": schema(properties={"q": {"type": "string"}, "n": {}})}),
    ("compatible", {"description": "a"}, {"description": "b"}),
    ("compatible", {}, {"annotations": {"readOnlyHint": True}}),
    ("breaking", {"outputSchema": schema()}, {}),
    ("compatible", {}, {"outputSchema": schema()}),
    ("breaking", {"outputSchema": schema(required=["q"])}, {"outputSchema": schema()}),
    ("compatible", {"outputSchema": schema()}, {"outputSchema": schema(required=["q"])}),
    ("breaking", {"outputSchema": schema()}, {"outputSchema": schema(properties={})}),
]


@pytest.mark.parametrize(("severity", "before", "now"), CHANGES)
def test_a_change_of_a_tool(severity: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    findings = found([tool("x", **before)], [tool("x", **now)])
    assert {finding.severity for finding in findings} == {severity}
    assert {finding.about for finding in findings} == {"tool x"}


def test_what_is_gone_breaks_and_what_is_new_does_not() -> None:
    findings = found([tool("a"), tool("b")], [tool("c"), tool("b")])
    assert [(each.severity, each.about) for each in findings] == [
        ("breaking", "tool a"),
        ("compatible", "tool c"),
    ]


def test_neither_the_order_nor_the_pages_mean_anything() -> None:
    tools = [tool(name) for name in "abcd"]
    before: list[Any] = [{"tools": tools[:3], "nextCursor": "1"}, {"tools": tools[3:]}]
    now: list[Any] = [{"tools": tools[:0:-1], "nextCursor": "x"}, {"tools": []}, {"tools": tools[:1]}]
    assert listing_findings("tools/list", before, now, Ignored(), complete=True) == []


def test_what_the_client_has_not_listed_may_have_been_there() -> None:
    assert found([tool("a")], [tool("a"), tool("b")], complete=False) == []
    assert [each.severity for each in found([tool("a")], [], complete=False)] == ["breaking"]


def test_a_finding_can_be_ignored_by_its_own_path() -> None:
    before = [tool("it's", description="a", inputSchema=schema())]
    now = [tool("it's", description="b", inputSchema=schema(required=["q"]))]
    findings = found(before, now)
    assert len(findings) == 2
    for finding in findings:
        (left,) = found(before, now, finding.path)
        assert left in findings
        assert left != finding
    assert found(before, now, "$.tools[*]") == []
    assert found(before, [], '$.tools[?@.name=="it\'s"]') == []


def test_tools_of_the_same_name_and_none_at_all_are_told_apart() -> None:
    nameless = {"title": "nobody"}
    assert (
        found([tool("a"), tool("a", title="2"), nameless], [tool("a"), tool("a", title="2"), nameless]) == []
    )
    (second,) = found([tool("a"), tool("a")], [tool("a")])
    assert second.about == "tool a (2)"


def prompt(*arguments: dict[str, Any]) -> list[Any]:
    return [{"prompts": [{"name": "p", "arguments": list(arguments)}]}]


@pytest.mark.parametrize(
    ("before", "now", "severity"),
    [
        ([{"name": "a"}], [], "breaking"),
        ([], [{"name": "a"}], "compatible"),
        ([], [{"name": "a", "required": True}], "breaking"),
        ([{"name": "a", "required": False}], [{"name": "a", "required": True}], "breaking"),
        ([{"name": "a", "required": True}], [{"name": "a"}], "compatible"),
        ([{"name": "a", "description": "x"}], [{"name": "a", "description": "y"}], "compatible"),
    ],
)
def test_the_arguments_of_a_prompt(before: list[Any], now: list[Any], severity: str) -> None:
    findings = listing_findings("prompts/list", prompt(*before), prompt(*now), Ignored(), complete=True)
    assert [finding.severity for finding in findings] == [severity]


def test_resources_are_known_by_their_uri_and_what_else_a_page_says_counts() -> None:
    before = [{"resources": [{"uri": "a://1", "name": "one", "mimeType": "text/plain"}], "ttlMs": 1}]
    now = [{"resources": [{"uri": "a://1", "name": "eins", "mimeType": "text/html"}], "ttlMs": 2}]
    findings = listing_findings("resources/list", before, now, Ignored(), complete=True)
    assert [(each.severity, each.path) for each in findings] == [
        ("compatible", "$.resources[?@.uri=='a://1'].name"),
        ("breaking", "$.resources[?@.uri=='a://1'].mimeType"),
        ("difference", "$.ttlMs"),
    ]
