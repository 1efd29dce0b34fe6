"""Tables fit their screen, whatever is in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptap import codec
from mcptap.cassette.format import Line
from mcptap.cli.table import Column, Table, columns_of, pretty, shortened
from tests.cassette.samples import json_values, unhurried

COLUMNS = (Column("a", numeric=True), Column("what", shrinks=True), Column("b"))


@given(st.text(), st.integers(3, 40))
def test_shortened(text: str, width: int) -> None:
    assert columns_of(shortened(text, width)) <= width


@pytest.mark.parametrize(("text", "columns"), [("", 0), ("abc", 3), ("東京", 4), ("e\u0301", 1)])
def test_columns_of(text: str, columns: int) -> None:
    assert columns_of(text) == columns


@given(st.lists(st.tuples(st.text(max_size=5), st.text(), st.text(max_size=5)), max_size=5))
@unhurried
def test_rows_fit(rows: list[tuple[str, str, str]]) -> None:
    table = Table(COLUMNS)
    for cells in rows:
        table.measure(cells)
    table.fit(80)
    for cells in rows:
        assert columns_of(table.line(cells)) <= table.width
        assert all(columns_of(line) <= table.width for line in table.lines(cells))
        assert table.line(cells).isprintable()


def test_cells_stand_under_each_other() -> None:
    table = Table(COLUMNS)
    rows = [("1", "東京", "x"), ("20", "Rome", "y")]
    for cells in rows:
        table.measure(cells)
    table.fit(None)
    assert [table.line(cells) for cells in rows] == [" 1  東京  x", "20  Rome  y"]


def test_hidden_column() -> None:
    table = Table(COLUMNS)
    table.measure(("1", "two", "three"))
    table.hide(1)
    assert table.line(("1", "two", "three")) == "1  three"


def test_long_cells_take_more_lines() -> None:
    table = Table(COLUMNS)
    cells = ("1", "some words\nand more", "b")
    table.measure(cells)
    table.fit(13)
    assert list(table.lines(cells)) == ["1  some     b", "    words", "   and", "    more"]


@given(json_values)
@unhurried
def test_pretty_is_the_same_json(value: Any) -> None:
    lines = list(pretty(value))
    assert all(line.isprintable() for line in lines)
    assert codec.dumps(codec.loads("\n".join(lines).encode())) == codec.dumps(value)


def nested(levels: int) -> Line:
    value: Line = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def test_deep_json() -> None:
    assert codec.loads("\n".join(pretty(nested(900))).encode()) == nested(900)
