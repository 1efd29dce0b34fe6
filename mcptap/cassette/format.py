"""How the model's values look as lines of a cassette (CASSETTE.md, "Lines").

Pure: values in, line objects out; `mcptap.cassette.parsing` is the way back. A member that is absent
in the value is absent in the line, never ``null``. Seconds are written to the microsecond and
milliseconds to three decimals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final, TypeAlias, cast

from mcptap.model import CassetteHeader, Event, Gap, Interaction, Message, SessionStart

Line: TypeAlias = dict[str, Any]
"""One line of a cassette, as the JSON object that it is."""

MARKER: Final = "mcptap"
CASSETTE: Final = "cassette"
VERSION: Final = 1
"""The version of the format that this mcptap writes, and the newest that it reads."""

_SECONDS_DECIMALS: Final = 6
_MILLISECONDS_DECIMALS: Final = 3


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) that every line of a cassette fulfils."""
    text = resources.files("mcptap.cassette").joinpath("schema.json").read_bytes()
    return cast("dict[str, Any]", json.loads(text))


def header_line(header: CassetteHeader) -> Line:
    """The first line of a cassette."""
    upstream = header.upstream and {
        "name": header.upstream.name,
        "transport": header.upstream.transport,
        "target": list(header.upstream.target),
    }
    return _present(
        {
            MARKER: CASSETTE,
            "version": header.version,
            "id": header.id,
            "recorded_at": header.recorded_at,
            "by": header.by,
            "upstream": upstream,
            "redaction": list(header.redaction),
            "salt": header.salt,
        }
    )


def session_line(session: SessionStart) -> Line:
    """The line that a client session opens with."""
    return _present(
        {
            "kind": "session",
            "session": session.session,
            "at": _seconds(session.at),
            "era": session.era,
            "transport": session.transport,
            "client": session.client,
            "started_at": session.started_at,
        }
    )


def interaction_line(interaction: Interaction) -> Line:
    """The one line of an interaction that is not split."""
    return _present(
        {
            "kind": "interaction",
            "seq": interaction.seq,
            "session": interaction.session,
            "at": _seconds(interaction.at),
            "ms": _milliseconds(interaction.ms),
            "proxy_ms": _milliseconds(interaction.proxy_ms),
            "method": interaction.method,
            "params": interaction.params,
            "result": interaction.result,
            "error": interaction.error,
            "outcome": interaction.outcome,
            "events": [_event(event) for event in interaction.events] or None,
            "trace_id": interaction.trace_id,
            "span_id": interaction.span_id,
        }
    )


def begin_line(interaction: Interaction) -> Line:
    """The first line of a split interaction: its request, without times, events and outcome."""
    return _present(
        {
            "kind": "begin",
            "seq": interaction.seq,
            "session": interaction.session,
            "at": _seconds(interaction.at),
            "method": interaction.method,
            "params": interaction.params,
            "trace_id": interaction.trace_id,
            "span_id": interaction.span_id,
        }
    )


def event_line(seq: int, event: Event) -> Line:
    """A line for one event of the split interaction ``seq``."""
    return {"kind": "event", "seq": seq, **_event(event)}


def end_line(interaction: Interaction) -> Line:
    """The last line of a split interaction: its times and its outcome, nothing that stood before."""
    return _present(
        {
            "kind": "end",
            "seq": interaction.seq,
            "ms": _milliseconds(interaction.ms),
            "proxy_ms": _milliseconds(interaction.proxy_ms),
            "result": interaction.result,
            "error": interaction.error,
            "outcome": interaction.outcome,
        }
    )


def message_line(message: Message) -> Line:
    """The line of something that was said outside any request."""
    return {
        "kind": "message",
        "session": message.session,
        "at": _seconds(message.at),
        **_spoken(message),
    }


def gap_line(gap: Gap) -> Line:
    """The line that stands where something could not be recorded."""
    return {"kind": "gap", "at": _seconds(gap.at), "lost": gap.lost, "why": gap.why}


def _event(event: Event) -> Line:
    return {"at_ms": _milliseconds(event.at_ms), **_spoken(event)}


def _spoken(spoken: Event | Message) -> Line:
    """The members that an event and a message have in common."""
    return _present(
        {
            "from": spoken.source,
            "method": spoken.method,
            "params": spoken.params,
            "result": spoken.result,
            "error": spoken.error,
            "ms": _milliseconds(spoken.ms),
        }
    )


def _present(line: Mapping[str, Any]) -> Line:
    return {name: value for name, value in line.items() if value is not None}


def _seconds(value: float) -> float:
    return round(value, _SECONDS_DECIMALS)


def _milliseconds(value: float | None) -> float | None:
    return None if value is None else round(value, _MILLISECONDS_DECIMALS)
