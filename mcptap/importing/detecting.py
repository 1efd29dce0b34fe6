"""Which tool a recording is of, by what the file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mcptap import codec
from mcptap.cassette.files import require_regular_file
from mcptap.cassette.format import MARKER
from mcptap.errors import CassetteError
from mcptap.importing import formats
from mcptap.importing.transcript import Transcript

TOOLS: Final = "mcp-cassette (PyPI and npm), mcp-recorder and mcp-rec"


def read_transcript(path: Path) -> Transcript:
    """Read the recording of another tool.

    Raises:
        CassetteError: It is absent, damaged, of a newer format, or of no tool that is known.
    """
    try:
        require_regular_file(path)
        content = path.read_bytes()
    except FileNotFoundError:
        raise CassetteError(f"{path} does not exist", "name a recording") from None
    except OSError as error:
        raise CassetteError(f"{path} can't be read: {error.strerror}", "check its permissions") from error
    try:
        found = _document(content) or _lines(content)
    except RecursionError:
        raise CassetteError(f"{path} can't be imported: it is nested too deeply") from None
    except (ValueError, OverflowError, OSError) as error:  # the last two are of times that no calendar has
        raise CassetteError(f"{path} can't be imported: {error}") from None
    if found is None:
        raise CassetteError(f"{path} is no recording that mcptap knows", f"it imports those of {TOOLS}")
    return found


def _document(content: bytes) -> Transcript | None:
    """A file that is one JSON object."""
    try:
        document = codec.loads(content.strip())
    except ValueError:
        return None
    if not isinstance(document, Mapping):
        return None
    if "format_version" in document and "messages" in document:
        return formats.mcp_cassette_pypi(document)
    if "version" in document and "interactions" in document:
        return formats.mcp_recorder(document)
    return None


def _lines(content: bytes) -> Transcript | None:
    """A file of JSON Lines; a last line that is torn is passed over, as the tools may be killed."""
    lines = content.split(b"\n")
    first = _entry(lines[0])
    if MARKER in first:
        raise ValueError("it is a cassette of mcptap already")
    is_npm = first.get("type") == "header" and "cassetteVersion" in first
    if not is_npm and not {"ts", "dir", "msg"} <= first.keys():
        return None
    entries = []
    for number, line in enumerate(lines, 1):
        entry = _entry(line)
        if not entry and line.strip() and number < len(lines):
            raise ValueError(f"line {number} is not a JSON object")
        if entry:
            entries.append(entry)
    found = formats.mcp_cassette_npm(entries[0], entries[1:]) if is_npm else formats.mcp_rec(entries)
    torn = bool(lines[-1].strip()) and not _entry(lines[-1])
    return replace(found, passed_over=found.passed_over + torn)


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry = codec.loads(line.strip())
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
