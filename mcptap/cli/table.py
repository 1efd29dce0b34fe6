"""Text on a screen: a table that fits the terminal, colour where it is wanted, JSON to read."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

import click

from mcptap import codec
from mcptap.matching.excerpt import printable

_GAP: Final = "  "
_WIDEST: Final = 160  # so that one long cell doesn't pad every row of a list in a file
_DEEPEST: Final = 60  # levels of JSON that get lines of their own
_PIPE_CLOSED: Final = 128 + signal.SIGPIPE


def set_up_screen() -> None:
    """Honour ``NO_COLOR`` and ``TERM=dumb``, and show what stdout has no characters for as escapes."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        click.get_current_context().color = False
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def screen_width() -> int | None:
    """The columns of the terminal; ``None`` where stdout is none: a pipe has room for everything."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return None


def can_show(text: str) -> bool:
    """Whether stdout has the characters of ``text``."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


@contextlib.contextmanager
def quiet_pipe() -> Iterator[None]:
    """End without a word where whoever reads stdout has seen enough (``mcptap inspect … | head``)."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer must go somewhere when Python closes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(_PIPE_CLOSED) from None


def columns_of(text: str) -> int:
    """How many columns a terminal needs for a printable ``text``."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


def shortened(text: str, width: int) -> str:
    """``text`` in no more than ``width`` columns; an ellipsis stands for what was cut off."""
    if columns_of(text) <= width:
        return text
    ellipsis = "…" if can_show("…") else "..."
    text = text[:width]
    while text and columns_of(text) + len(ellipsis) > width:
        text = text[:-1]
    return (text + ellipsis)[:width]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its heading.
        numeric: Whether its cells stand at the right.
        shrinks: Whether it gives way where the table is wider than the screen.
        least: How narrow it becomes before other columns leave the table.
        leaves: Its turn to leave, from 1; 0 where it stays.
    """

    title: str
    numeric: bool = False
    shrinks: bool = False
    least: int = 0
    leaves: int = 0


class Table:
    """A table whose cells are seen twice: first to `measure` them, then to lay them out.

    So it may have more rows than fit into memory. Cells are made safe for a terminal.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._widths = [columns_of(column.title) for column in columns]
        self._shown = list(range(len(columns)))

    def hide(self, place: int) -> None:
        """Leave a column out; the rows still have its cells."""
        self._shown.remove(place)

    def measure(self, cells: Sequence[str]) -> None:
        """Make room for a row."""
        for place, cell in enumerate(cells):
            widest = max(map(columns_of, map(printable, cell.split("\n"))))
            self._widths[place] = max(self._widths[place], min(widest, _WIDEST))

    def fit(self, width: int | None) -> None:
        """Make room on a screen of ``width`` columns.

        Columns leave until the others can shrink enough. Then the widest shrinks, down to its least and at
        last to its title; those with a smaller least do so first.
        """
        if width is None:
            return
        leaving = [place for place in self._shown if self._columns[place].leaves]
        for place in sorted(leaving, key=lambda place: self._columns[place].leaves):
            if self._width_of(self._narrowest) > width:
                self.hide(place)
        leasts = sorted({column.least for column in self._columns})
        for narrowest in (self._narrowest, self._titled):
            for least in leasts:
                while self.width > width and (widest := self._widest(least, narrowest)) is not None:
                    self._widths[widest] -= 1

    def _widest(self, least: int, narrowest: Callable[[int], int]) -> int | None:
        """The widest of the columns with a ``least`` that are wider than their narrowest."""
        may = [place for place in self._shown if self._columns[place].least == least]
        wider = [(self._widths[place], place) for place in may if self._widths[place] > narrowest(place)]
        return max(wider)[1] if wider else None

    def _narrowest(self, place: int) -> int:
        """How narrow a column becomes before others leave."""
        return min(self._widths[place], max(self._titled(place), self._columns[place].least))

    def _titled(self, place: int) -> int:
        column = self._columns[place]
        return columns_of(column.title) if column.shrinks else self._widths[place]

    def _width_of(self, width: Callable[[int], int]) -> int:
        return sum(map(width, self._shown)) + len(_GAP) * (len(self._shown) - 1)

    @property
    def width(self) -> int:
        """The columns that a line of it takes."""
        return self._width_of(self._widths.__getitem__)

    def heading(self) -> str:
        """The line of titles."""
        return click.style(self.line([column.title for column in self._columns]), bold=True)

    def line(self, cells: Sequence[str], colours: Mapping[int, str] | None = None) -> str:
        """A row in one line, its cells shortened where they don't fit; ``colours`` by their place."""
        texts = []
        for place in self._shown:
            text = shortened(printable(cells[place]), self._widths[place])
            padding = " " * (self._widths[place] - columns_of(text))
            if text and (colour := (colours or {}).get(place)):
                text = click.style(text, fg=colour)
            texts.append(padding + text if self._columns[place].numeric else text + padding)
        return _GAP.join(texts).rstrip()

    def lines(self, cells: Sequence[str], colours: Mapping[int, str] | None = None) -> Iterator[str]:
        """A row in as many lines as its longest cell needs."""
        wrapped = [_wrapped(cell, width) for cell, width in zip(cells, self._widths, strict=True)]
        for parts in zip_longest(*wrapped, fillvalue=""):
            yield self.line(parts, colours)


def _wrapped(cell: str, width: int) -> Iterator[str]:
    for line in cell.split("\n"):
        parts = textwrap.wrap(printable(line), width, break_on_hyphens=False, subsequent_indent=" ")
        yield from parts or [""]


def pretty(value: Any, indent: str = "") -> Iterator[str]:
    """JSON over several lines, every number as it was spelled, with nothing in it that a terminal acts on."""
    return _pretty(value, indent, before=indent, after="", levels=_DEEPEST)


def _pretty(value: Any, indent: str, *, before: str, after: str, levels: int) -> Iterator[str]:
    if not isinstance(value, (dict, list)) or not value or levels == 0:
        yield before + printable(codec.dumps(value).decode()) + after
        return
    inner, last = indent + "  ", len(value) - 1
    if isinstance(value, dict):
        opening, closing = "{", "}"
        members = [(printable(codec.dumps(name).decode()) + ": ", item) for name, item in value.items()]
    else:
        opening, closing = "[", "]"
        members = [("", item) for item in value]
    yield before + opening
    for place, (name, item) in enumerate(members):
        comma = "," if place < last else ""
        yield from _pretty(item, inner, before=inner + name, after=comma, levels=levels - 1)
    yield indent + closing + after
