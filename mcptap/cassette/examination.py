"""Reading a cassette past its damage, to say what is wrong with it: the doctor's look, which changes nothing.

Where `mcptap.cassette.reader` stops at the first damaged line, this goes on, so that everything is found
at once and everything readable can be saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeAlias

from mcptap.cassette.compression import BROKEN_OFF, not_by_lines, opened, refuse_compressed
from mcptap.cassette.format import VERSION, schema
from mcptap.cassette.framing import Frame, Framing
from mcptap.cassette.joining import Joiner
from mcptap.cassette.scanning import Line, Torn, header_of, parse, several_lines
from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader, Gap, Interaction, Json, Record, SessionStart

Kind: TypeAlias = Literal["damaged", "torn", "schema", "order", "gap", "unanswered", "left over"]
"""What a finding is about; the last three are no fault of the cassette's."""

_NOTES: Final = frozenset({"gap", "unanswered", "left over"})
_TOLERANCE: Final = 1.0  # seconds: an answer is written a little after the time that stands in it
_KINDS: Final = frozenset({"session", "interaction", "begin", "event", "end", "message", "gap"})
_LEFT_OVER: Final = (".torn", ".partial", ".damaged")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the doctor found.

    Attributes:
        line: The number of the line, from 1, or ``None`` where it is about the file.
        kind: What it is about.
        text: What it is, in plain words.
    """

    line: int | None
    kind: Kind
    text: str

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong with the file; if not, it is only worth knowing."""
        return self.kind not in _NOTES


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the file that is a line, or should be one.

    Attributes:
        number: Of the line, from 1.
        offset: Where it begins (bytes), and
        end: where it ends.
        content: What it says; ``None`` where that can't be read.
        torn: Whether the file ended in it.
    """

    number: int
    offset: int
    end: int
    content: dict[str, Any] | None
    torn: bool = False


@dataclass(slots=True)
class Examination:
    """What one reading of a cassette found, in the order of its lines.

    ``interactions`` and ``sessions`` count what can be read.
    """

    path: Path
    findings: list[Finding] = field(default_factory=list)
    interactions: int = 0
    sessions: int = 0

    @property
    def problems(self) -> list[Finding]:
        """The findings that are a fault of the file's."""
        return [finding for finding in self.findings if finding.is_problem]


def stretches(path: Path) -> Iterator[Stretch]:
    """Every line of a file, compressed or not; the damaged ones too.

    Raises:
        CassetteError: It is absent, or can't be read.
    """
    with _readable(path), opened(path) as (file, framing):
        yield from _stretches(path, file, framing)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise CassetteError(f"{path} does not exist", "name a cassette") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise CassetteError(f"{path} can't be read: {reason}", "check its permissions") from error


def _stretches(path: Path, file: BinaryIO, framing: Framing) -> Iterator[Stretch]:
    number, offset = 0, 0
    going_on = True
    while going_on:
        going_on = False
        for frame in _frames(file, framing, offset):
            number += 1
            if several_lines(frame.text):
                raise not_by_lines(path)
            content = parse(frame.text.rstrip(b"\0"))
            offset = frame.end if content is not None else framing.after(file, frame)
            torn = content is None and not frame.whole and offset == frame.end
            yield Stretch(number, frame.offset, offset, content, torn)
            if offset != frame.end:
                going_on = True
                break


def _frames(file: BinaryIO, framing: Framing, offset: int) -> Iterator[Frame]:
    """The frames from ``offset`` on; where the compression of the whole breaks off, it is torn."""
    end = offset
    try:
        for frame in framing.frames(file, offset):
            yield frame
            end = frame.end
    except BROKEN_OFF:
        yield Frame(end, end, b"", whole=False)


def header_in(path: Path) -> CassetteHeader | None:
    """The header of a file that holds a cassette; ``None`` where its header is damaged, but not the rest.

    Raises:
        CassetteError: It is no cassette, a newer mcptap wrote it, or it can't be read.
    """
    found = stretches(path)
    first = next(found, None)
    if first is None or first.content is None:
        judged: Line | Torn | None = Torn(0, first.end) if first else None
    else:
        judged = Line(1, 0, first.end, first.content)
    try:
        return header_of(path, judged)
    except CassetteError:
        version = ((first and first.content) or {}).get("version")
        is_newer = isinstance(version, int) and version > VERSION
        if is_newer or not any(each.content and _is_record(each.content) for each in found):
            raise
    return None


def examine(path: Path) -> Examination:
    """Read a whole cassette and find what is wrong with it.

    Raises:
        CassetteError: It is no cassette, is compressed as a whole, or can't be read.
    """
    with _readable(path):
        refuse_compressed(path)
    examination = Examination(path)
    header = header_in(path)
    examiner = _Examiner(examination)
    for stretch in stretches(path):
        if stretch.number > 1:
            examiner.look_at(stretch)
        elif header is None:
            examiner.found(1, "damaged", "the header can't be read")
        elif stretch.content is not None:
            examiner.hold_against_schema(stretch.number, stretch.content, "header")
    examiner.finish()
    for suffix in _LEFT_OVER:
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            examiner.found(None, "left over", f"{beside} is beside it")
    return examination


def _is_record(content: Json) -> bool:
    try:
        return Joiner().add(0, content) is not None
    except ValueError:
        return False


class _Examiner:
    """Looks at the lines of one cassette, one after the other."""

    def __init__(self, examination: Examination) -> None:
        self._examination = examination
        self._joiner = Joiner()
        self._seqs = SeqSet()
        self._sessions: set[int] = set()
        self._begun: set[int] = set()
        self._latest_arrival = (0, 0.0)  # the highest seq, and when it arrived
        self._written_at = 0.0
        self._lost = False  # from here on something may be missing

    def found(self, line: int | None, kind: Kind, text: str) -> None:
        self._examination.findings.append(Finding(line, kind, text))

    def look_at(self, stretch: Stretch) -> None:
        number, content = stretch.number, stretch.content
        if content is None:
            size = stretch.end - stretch.offset
            if stretch.torn:
                self.found(number, "torn", f"the last line is torn: {size} bytes")
            else:
                self._damaged(number, f"it is not a JSON object ({size} bytes)")
            return
        kind = content.get("kind")
        if kind in _KINDS:
            self.hold_against_schema(number, content, str(kind))
        self._look_at_seq(number, content)
        try:
            joined = self._joiner.add(stretch.offset, content)
        except ValueError as error:
            self._damaged(number, str(error))
            return
        if joined is not None:
            self._look_at_record(number, joined.record)

    def hold_against_schema(self, number: int, content: Json, kind: str) -> None:
        """Report how a line breaks the schema, if it does."""
        error = next(_validator(kind).iter_errors(content), None)
        if error is not None:
            where = f" at {error.json_path}" if error.path else ""
            self.found(number, "schema", f"{_shortened(error.message)}{where}")

    def finish(self) -> None:
        for joined in self._joiner.unanswered():
            record = joined.record
            if isinstance(record, Interaction):
                self._examination.interactions += 1
                self.found(None, "unanswered", f"request {record.seq} ({record.method}) has no end")

    def _damaged(self, number: int, why: str) -> None:
        self.found(number, "damaged", why)
        self._lost = True

    def _look_at_seq(self, number: int, content: Json) -> None:
        kind, seq = content.get("kind"), content.get("seq")
        if not isinstance(seq, int):
            return
        if kind in ("interaction", "begin"):
            if not self._seqs.add(seq):
                self.found(number, "order", f"seq {seq} was there before")
            if kind == "begin":
                self._begun.add(seq)
            self._look_at_arrival(number, seq, content.get("at"))
        elif seq not in self._begun and not self._lost:
            self.found(number, "order", f"this {kind} of request {seq} stands before its begin")

    def _look_at_arrival(self, number: int, seq: int, at: Any) -> None:
        if not isinstance(at, (int, float)):
            return
        highest, arrived = self._latest_arrival
        if (seq > highest and at < arrived - _TOLERANCE) or (seq < highest and at > arrived + _TOLERANCE):
            self.found(
                number, "order", f"request {seq} arrived at {at:g} s, request {highest} at {arrived:g} s"
            )
        if seq > highest:
            self._latest_arrival = (seq, max(arrived, at))

    def _look_at_record(self, number: int, record: Record) -> None:
        match record:
            case SessionStart(session=session):
                self._sessions.add(session)
                self._examination.sessions += 1
            case Interaction():
                self._examination.interactions += 1
            case Gap(lost=lost, why=why):
                self._lost = True
                self.found(number, "gap", f"{lost} lines were not recorded: {why}")
        if not isinstance(record, Gap) and record.session not in self._sessions:
            self._sessions.add(record.session)
            if not self._lost:
                self.found(number, "order", f"session {record.session} was not opened before")
        self._look_at_time(number, record)

    def _look_at_time(self, number: int, record: Record) -> None:
        """Lines stand in the order in which they were written, so far as their times tell that."""
        if isinstance(record, Interaction):
            if record.ms is None:
                return
            written_at = record.at + (record.ms + (record.proxy_ms or 0)) / 1000
        else:
            written_at = record.at
        if written_at < self._written_at - _TOLERANCE:
            text = f"it was written at {written_at:g} s, after a line of {self._written_at:g} s"
            self.found(number, "order", text)
        self._written_at = max(self._written_at, written_at)


class SeqSet:
    """The seqs that were seen: in a recording nearly all from 1 on, so that they take next to no memory."""

    def __init__(self) -> None:
        self._all_below = 1
        self._above: set[int] = set()

    def add(self, seq: int) -> bool:
        """Note a seq; ``False`` where it was noted before."""
        if seq in self:
            return False
        self._above.add(seq)
        while self._all_below in self._above:
            self._above.remove(self._all_below)
            self._all_below += 1
        return True

    def __contains__(self, seq: int) -> bool:
        return 1 <= seq < self._all_below or seq in self._above


@cache
def _validator(kind: str) -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - only the doctor needs it

    definitions = schema()["$defs"]
    return Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": definitions})


def _shortened(text: str, width: int = 160) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
