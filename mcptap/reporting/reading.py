"""Reading a cassette past its damage: that is counted and named, and everything else is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mcptap.cassette.examination import header_in, stretches
from mcptap.cassette.joining import Joiner
from mcptap.model import CassetteHeader, Record

_MOST_NAMED: Final = 20


@dataclass(slots=True)
class Reading:
    """One reading of a cassette, past its damage. Made by `read`.

    Attributes:
        path: The cassette.
        header: Its header; ``None`` where only that is damaged.
        damage: The lines that can't be read so far, in plain words; complete when `records` has ended.
    """

    path: Path
    header: CassetteHeader | None
    damage: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What the server is called, as far as the cassette tells."""
        upstream = self.header.upstream if self.header else None
        return upstream.name if upstream else "an unnamed server"

    @property
    def notices(self) -> list[str]:
        """The damage in a line, and a list that is no longer than needed; empty where there is none."""
        if not self.damage:
            return []
        number = len(self.damage)
        named = "; ".join(self.damage[:_MOST_NAMED]) + ("; …" if number > _MOST_NAMED else "")
        return [f"{self.path.name}: {number} damaged line{'s' * (number != 1)} passed over: {named}"]

    def records(self) -> Iterator[Record]:
        """Every record that can be read; requests without an end come last, by their ``seq``.

        Raises:
            CassetteError: The file can't be read any more.
        """
        self.damage.clear()
        if self.header is None:
            self.damage.append("line 1: the header can't be read")
        joiner = Joiner()
        for stretch in stretches(self.path):
            if stretch.number == 1:
                continue
            if stretch.content is None:
                size = stretch.end - stretch.offset
                what = "torn" if stretch.torn else "not a JSON object"
                self.damage.append(f"line {stretch.number}: {what} ({size} bytes)")
                continue
            try:
                joined = joiner.add(stretch.offset, stretch.content)
            except ValueError as error:
                self.damage.append(f"line {stretch.number}: {error}")
                continue
            if joined is not None:
                yield joined.record
        for joined in joiner.unanswered():
            yield joined.record


def read(path: Path) -> Reading:
    """Open a cassette for a report.

    Raises:
        CassetteError: It is absent, empty, no cassette, of a newer format, or can't be read.
    """
    return Reading(path, header_in(path))
