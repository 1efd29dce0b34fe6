"""A transcript as a cassette: its header, its lines, and what can't be as it was."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcptap import __version__
from mcptap.cassette.format import Line
from mcptap.codec import dumps
from mcptap.importing.retelling import Retelling
from mcptap.importing.transcript import Transcript
from mcptap.model import CassetteHeader, Target
from mcptap.protocol import META, SERVER_INFO_META, meta_of
from mcptap.redaction.header import redacted_header

_PLACEHOLDER: Final = re.compile(rb"\bREDACTED\b|<[A-Z][A-Z0-9_]*>_[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Converted:
    """What `convert` makes of a transcript.

    Attributes:
        header: The first line, and
        lines: the others, not redacted yet.
        unrelated: How many answers belong to no request that was heard.
        masked: How many requests have a placeholder of the other tool's in their params.
    """

    header: CassetteHeader
    lines: list[Line]
    unrelated: int
    masked: int

    @property
    def interactions(self) -> int:
        """How many requests there are."""
        return sum(line["kind"] == "interaction" for line in self.lines)

    @property
    def unanswered(self) -> int:
        """How many of them have no outcome."""
        return sum(line.get("outcome") == "unanswered" for line in self.lines)

    @property
    def sessions(self) -> int:
        """How many client sessions there are."""
        return sum(line["kind"] == "session" for line in self.lines)


class _Lines(list[Line]):
    """Takes the lines of a recorder."""

    def append(self, line: Mapping[str, Any]) -> int:  # type: ignore[override]  # the recorder asks for a size
        super().append(dict(line))
        return 0


def convert(transcript: Transcript, name: str | None, redaction: tuple[str, ...]) -> Converted:
    """Make a cassette of a transcript.

    Args:
        transcript: The recording of another tool.
        name: What to call the server; ``None`` leaves that to the recording.
        redaction: The rules that its secrets are to be taken out by (see `parse_rules`).

    Raises:
        UsageError: One of the rules is none.
    """
    lines = _Lines()
    retelling = Retelling(lines, transcript.transport)
    retelling.tell(transcript.said)
    known = name or transcript.name or next(_server_names(transcript), "server")
    header = CassetteHeader(
        id=uuid.uuid4().hex,
        recorded_at=transcript.began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        by=f"mcptap {__version__} from {transcript.tool}",
        upstream=Target(known, transcript.transport, transcript.target),
    )
    masked = sum(_is_masked(line.get("params")) for line in lines if line["kind"] == "interaction")
    return Converted(redacted_header(header, redaction), lines, retelling.unrelated, masked)


def _server_names(transcript: Transcript) -> Iterator[str]:
    """What the server calls itself: when it is initialized, or with every result in the modern era."""
    for said in transcript.said:
        result = said.message.get("result")
        if said.source == "server" and isinstance(result, dict):
            info = result.get("serverInfo") or meta_of(result).get(SERVER_INFO_META)
            if isinstance(info, dict) and isinstance(info.get("name"), str):
                yield info["name"]


def _is_masked(params: Any) -> bool:
    asked = {key: value for key, value in (params or {}).items() if key != META}
    return _PLACEHOLDER.search(dumps(asked)) is not None
