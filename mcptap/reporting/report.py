"""The report of a recording: read once, written as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcptap import codec
from mcptap.cassette.format import interaction_line
from mcptap.cassette.replacing import replacing
from mcptap.errors import UsageError
from mcptap.model import Gap, Interaction, Message, SessionStart
from mcptap.reporting.comparison import Comparison
from mcptap.reporting.page import Page, html_of
from mcptap.reporting.reading import Reading
from mcptap.reporting.rows import Row, row_of
from mcptap.reporting.summary import Summary


def make_report(reading: Reading, against: Reading | None = None) -> Page:
    """Read a recording whole and make its page.

    Args:
        reading: The recording.
        against: Another one to hold it against.

    Raises:
        CassetteError: One of them can't be read.
    """
    comparison = Comparison(against) if against else None
    header = reading.header
    about = [f"recorded {header.recorded_at} by {header.by}"] if header else []
    page = Page(reading.name, " · ".join([*about, reading.path.name]), Summary())
    for record in reading.records():
        match record:
            case Interaction():
                _take(page, record, comparison)
            case SessionStart():
                page.summary.open_session(record)
            case Message():
                page.summary.messages += 1
            case Gap(lost=lost, why=why):
                page.summary.lost += lost
                page.notices.append(f"{lost} lines were not recorded: {why}")
    if comparison:
        page.against = comparison.other.path.name
        for row, beside in comparison.gone(len(page.rows)):
            page.rows.append(row)
            page.packer.add(codec.dumps(beside))
        page.notices += comparison.other.notices
    page.packer.finish()
    page.notices += reading.notices
    return page


def _take(page: Page, interaction: Interaction, comparison: Comparison | None) -> None:
    row: Row = row_of(len(page.rows), interaction)
    beside: dict[str, Any] = {}
    if comparison:
        row, beside = comparison.compare(row, interaction)
    page.rows.append(row)
    page.summary.add(row)
    line = codec.dumps(interaction_line(interaction))
    rest = codec.dumps(beside)[1:]
    page.packer.add(b'{"call":' + line + (b"," if beside else b"") + rest)


def require_place(path: Path) -> None:
    """Refuse early a place where no file can be.

    Raises:
        UsageError: Its folder is absent, it is a folder itself, or stands for stdout.
    """
    if str(path) == "-":
        raise UsageError("a report needs a file", "name it with -o")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", "make it first, or name another with -o")
    if path.is_dir():
        raise UsageError(f"{path} is a folder", f"name a file in it, such as {path / 'report.html'}")


def write_report(page: Page, path: Path) -> int:
    """Write a page beside its place and put it there when it is whole, readable by its owner alone.

    Returns:
        Its size in bytes.

    Raises:
        UsageError: It can't be written there.
    """
    text = html_of(page).encode()
    try:
        with replacing(path) as partial:
            partial.write_bytes(text)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}", "name another file with -o") from None
    return len(text)
