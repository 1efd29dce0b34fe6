"""Redacting the lines of a cassette as they are written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from mcptap.codec import dumps
from mcptap.errors import CassetteError
from mcptap.model import CassetteHeader
from mcptap.redaction.header import redactor_of
from mcptap.redaction.known import Known
from mcptap.redaction.redactor import Redactor

_SESSIONS: Final = 1024
_SPOKEN: Final = ("params", "result", "error")
_SAID: Final = (*_SPOKEN, "events")


class LineRedactor:
    """Redacts the lines of one cassette after its header, in order.

    Args:
        redactor: The rules.
        given: What the server is sent beside the messages, such as headers, by name: it may say their
            secrets without their names. A session knows them from then on.
    """

    def __init__(self, redactor: Redactor, given: Mapping[str, str] | None = None) -> None:
        self._redactor = redactor
        self._given = Known()
        redactor.value(dict(given or {}), self._given, data=True)
        self._known: OrderedDict[int, Known] = OrderedDict()
        self._session_of: dict[int, int] = {}

    def line(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        """Redact one line; the very line where nothing is to be replaced.

        Params come first and outcomes last, as in the session: what a request teaches holds for its
        answer, but a replay can't know an answer when it gets the request.

        Raises:
            TypeError: It holds something that is not JSON, or is nested too deeply.
        """
        return self._redacted(line, self._known_to(line))

    def text(self, line: Mapping[str, Any]) -> bytes:
        """The JSON text of the redacted line; made only once where nothing is to be replaced.

        Raises:
            TypeError: It holds something that is not JSON, or is nested too deeply.
        """
        text = dumps(dict(line))
        known = self._known_to(line)
        if not self._redactor.may_have_secrets(text, known) and not self._given.occurs(text):
            return text
        redacted = self._redacted(line, known)
        return text if redacted is line else dumps(dict(redacted))

    def _redacted(self, line: Mapping[str, Any], known: Known) -> Mapping[str, Any]:
        try:
            from_server = line.get("from") == "server"
            if from_server:
                self._recognise_given(line, known)
            spoken = self._spoken({"params": line["params"]} if "params" in line else {}, known)
            if not from_server:
                self._recognise_given({**line, "params": None}, known)
            if "events" in line:
                spoken["events"] = [{**event, **self._spoken(event, known)} for event in line["events"]]
            spoken |= self._spoken({name: line[name] for name in _SPOKEN[1:] if name in line}, known)
        except RecursionError:
            raise TypeError("nested too deeply") from None
        changed = {**line, **spoken}
        return line if changed == line else changed

    def _recognise_given(self, line: Mapping[str, Any], known: Known) -> None:
        """Learn what the server was given, if it is in what it says."""
        if self._given.count and self._given.occurs(dumps({name: line.get(name) for name in _SAID})):
            known.learn(self._given)

    def _spoken(self, spoken: Mapping[str, Any], known: Known) -> dict[str, Any]:
        return {name: self._redactor.value(spoken[name], known) for name in _SPOKEN if name in spoken}

    def _known_to(self, line: Mapping[str, Any]) -> Known:
        """What the session of a line has shown."""
        seq, session = line.get("seq"), line.get("session")
        match line.get("kind"):
            case "begin":
                self._session_of[seq] = session  # type: ignore[index, assignment]
            case "event":
                session = self._session_of.get(seq)  # type: ignore[arg-type]
            case "end":
                session = self._session_of.pop(seq, None)  # type: ignore[arg-type]
        if not isinstance(session, int):
            return Known()
        known = self._known.setdefault(session, Known())
        self._known.move_to_end(session)
        if len(self._known) > _SESSIONS:
            self._known.popitem(last=False)
        return known


def redacted_texts(header: CassetteHeader, lines: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The JSON text of the lines of a cassette, redacted by its own rules.

    Raises:
        CassetteError: It has rules that this mcptap doesn't know, or a line is nested too deeply.
    """
    redactor = redactor_of(header)
    text = dumps if redactor is None else LineRedactor(redactor).text
    for line in lines:
        try:
            yield text(dict(line))
        except TypeError as error:
            raise CassetteError(f"a line can't be written: {error}") from None


class TextSink(Protocol):
    """Takes one line at a time, as text (`mcptap.cassette.writer.CassetteWriter`)."""

    def append_text(self, text: bytes) -> int:
        """Write one line and return its size in bytes."""


class RedactingSink:
    """Takes the secrets out of lines on their way into a cassette.

    Args:
        sink: The cassette.
        redactor: Its rules.
        given: See `LineRedactor`.
    """

    def __init__(self, sink: TextSink, redactor: Redactor, given: Mapping[str, str] | None = None) -> None:
        self._sink = sink
        self._lines = LineRedactor(redactor, given)

    def append(self, line: Mapping[str, Any]) -> int:
        """Write one line without its secrets; what it raises is the cassette's."""
        return self._sink.append_text(self._lines.text(line))
