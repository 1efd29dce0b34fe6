from __future__ import annotations

import re
from typing import Any

import pytest

from mcptap.matching.columns import Look, render
from mcptap.matching.nearest import difference

SGR = re.compile(r"\x1b\[[0-9]+m")


def rendered(recorded: Any, live: Any, look: Look | None = None) -> list[str]:
    differences = difference(recorded, live)
    return render(differences) if look is None else render(differences, look)


def test_recorded_and_live_stand_side_by_side() -> None:
    assert rendered({"city": "Berlin", "days": 3}, {"city": "Munich", "unit": "C", "days": "3"}) == [
        "        recorded  live",
        '$.city  "Berlin"  "Munich"',
        '$.days  3         "3"',
        '$.unit  (absent)  "C"',
    ]


def test_nothing_differs() -> None:
    assert rendered({"a": 1}, {"a": 1.0}) == []


def test_a_long_path_has_a_line_of_its_own() -> None:
    path = "$." + "a" * 60
    assert rendered({"a" * 60: 1}, {"a" * 60: 2})[1:] == [path, "  1         2"]


def test_long_strings_are_shown_where_they_part() -> None:
    recorded, live = "a" * 5000 + "Berlin" + "b" * 5000, "a" * 5000 + "Munich" + "b" * 5000
    (line,) = rendered({"text": recorded}, {"text": live})[1:]
    assert "aaBerlinbb" in line
    assert "aaMunichbb" in line


@pytest.mark.parametrize("width", [40, 80, 200])
def test_lines_keep_to_the_width(width: int) -> None:
    lines = rendered({"text": "x" * 900, "b": [1] * 90}, {"text": "y" * 900, "b": "z" * 90}, Look(width))
    assert max(map(len, lines)) <= width


def test_colour_changes_nothing_else() -> None:
    sides = {"a" * 60: 1, "b": "x", "c": None}, {"a" * 60: 2, "b": "y"}
    coloured = rendered(*sides, Look(colour=True))
    assert any(SGR.search(line) for line in coloured)
    assert [SGR.sub("", line).rstrip() for line in coloured] == rendered(*sides)


@pytest.mark.parametrize("look", [Look(), Look(colour=True)])
def test_nothing_reaches_the_terminal_that_it_would_act_on(look: Look) -> None:
    evil = "\x1b[2J\x9b\x07\u202e\ud800\n"
    lines = rendered({evil: evil}, {evil: "Grüße, 世界"}, look)
    assert len(lines) in {2, 3}
    assert all(SGR.sub("", line).isprintable() for line in lines)
    assert "Grüße, 世界" in lines[-1]
