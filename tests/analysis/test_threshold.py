"""The grammar of --fail-if."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcptap.analysis.statistics import Group
from mcptap.analysis.threshold import judge, parse_threshold
from mcptap.errors import UsageError

GROUP = Group(("x",), 200, 4, 2, 1, 10.0, 20.0, 60.0, 90.0, 3000.0, 1.0, 5000, 0.5, 100.0)
OLD = replace(GROUP, p99=50.0, errors=0, p50=None)


@pytest.mark.parametrize(
    ("text", "met", "shown"),
    [
        ("p99 > 50ms", True, "60.00 ms"),
        ("p99 > 50", True, "60.00 ms"),
        ("p99>60ms", False, "60.00 ms"),
        ("p99 >= 60 ms", True, "60.00 ms"),
        ("p99 < 0.07s", True, "60.00 ms"),
        ("max > .05s", True, "90.00 ms"),
        ("proxy_p50 > 400us", True, "0.50 ms"),
        ("errors > 0", True, "4"),
        ("errors > 2%", False, "2.0%"),
        ("errors >= 2%", True, "2.0%"),
        ("tool_errors <= 2", True, "2"),
        ("bytes > 4kB", True, "5000 B"),
        ("calls < 100", False, "200"),
        ("p99 > 1.1x", True, "1.20x"),
        ("p99 > 1.2x", False, "1.20x"),
        ("p50 > 1x", False, "unknown"),
        ("errors > 5x", True, "4 after 0"),
        ("tool_errors > 1x", False, "1.00x"),
    ],
)
def test_conditions(text: str, met: bool, shown: str) -> None:
    threshold = parse_threshold(text)
    assert threshold.met(GROUP, OLD) is met
    assert threshold.shown(GROUP, OLD) == shown


def test_a_relative_one_needs_an_old_group() -> None:
    assert parse_threshold("p99 > 1x").relative
    assert not parse_threshold("p99 > 1x").met(GROUP, None)


def test_what_answered_and_does_no_more_is_past_every_condition_on_its_times() -> None:
    dead = replace(GROUP, p50=None, p90=None, p99=None, max=None)
    for text in ("p99 > 1.2x", "p99 > 1s", "p99 < 1s"):
        threshold = parse_threshold(text)
        assert threshold.met(dead, GROUP)
        assert threshold.shown(dead, GROUP) == "none any more"
        assert not threshold.met(dead, None)


def test_a_condition_that_nothing_was_held_against_lets_nothing_through() -> None:
    slow, many = parse_threshold("p99 > 9s"), parse_threshold("p50 > 2x")
    assert judge([slow, many], [(GROUP, OLD)]).unheld == [many]
    assert judge([slow], [(GROUP, OLD)]).failed is False
    assert judge([slow], []).failed is True


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p99",
        "p99 > ",
        "p99 = 5",
        "p95 > 5",
        "p99 > -1",
        "p99 > 5 %",
        "errors > 5ms",
        "p99 > 1 parsec",
        "p99 > 1x and p50 > 2x",
    ],
)
def test_what_is_no_condition_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_threshold(text)
    assert "\n" not in str(caught.value)
