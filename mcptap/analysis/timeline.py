"""Recordings as Chrome trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing show.

A server's recording is a process, a client session a track in it. Calls of a session that overlap go on
further tracks of the session, because slices of one track must nest. Requests of the server to the client
are slices inside their call, notifications are instants. (Trace Event Format, "Complete Events",
"Instant Events", "Metadata Events".)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mcptap.analysis.loading import Recordings

COLUMNS: Final = (
    "file", "server", "session", "seq", "time", "method", "target", "outcome", "error_code",
    "ms", "proxy_ms", "bytes", "era", "client", "events", "trace_id", "span_id",
)  # fmt: skip
"""The columns that `trace_events` needs."""

_BATCH: Final = 10_000
_TRACKS: Final = 1000  # room for the tracks of one session


def trace_events(recordings: Recordings) -> Iterator[dict[str, Any]]:
    """The events, one JSON object each; times are microseconds since the first request."""
    processes: dict[str, int] = {}
    for row in _rows(recordings, _PROCESSES):
        processes[row["file"]] = pid = len(processes) + 1
        yield _metadata("process_name", pid, 0, name=f"{row['server']} ({row['file']})")
    busy: dict[tuple[int, int], list[float]] = {}
    for row in _rows(recordings, _CALLS):
        pid, session = processes[row["file"]], row["session"]
        took = 1000 * ((row["ms"] or 0) + (row["proxy_ms"] or 0))
        took = max(took, 1000 * (row["latest_ms"] or 0))
        ends = busy.setdefault((pid, session), [])
        track = next((place for place, end in enumerate(ends) if end <= row["us"]), len(ends))
        tid = session * _TRACKS + track
        if track == len(ends):
            ends.append(0.0)
            number = f" ({track + 1})" if track else ""
            who = f", {row['client']}" if row["client"] else ""
            yield _metadata("thread_name", pid, tid, name=f"session {session}{who}{number}")
            yield _metadata("thread_sort_index", pid, tid, sort_index=tid)
        ends[track] = row["us"] + took
        yield _slice(pid, tid, row["us"], took, row)
        for event in row["happened"] or ():
            yield _event(pid, tid, row["us"] + 1000 * event["at_ms"], event)
    for row in _rows(recordings, _MESSAGES):
        pid, tid = processes[row["file"]], row["session"] * _TRACKS
        yield _event(pid, tid, row["us"], row)


_ZERO: Final = "(SELECT min(recorded_at) FROM files)"
_PROCESSES: Final = "SELECT path AS file, server FROM files ORDER BY path"
_CALLS: Final = f"""
    SELECT i.*, epoch_us(i.time) - epoch_us({_ZERO}) AS us, r.events AS happened,
        list_max(list_transform(r.events, lambda e: e.at_ms + coalesce(e.ms, 0))) AS latest_ms
    FROM interactions AS i
    JOIN files AS f ON f.path = i.file
    JOIN requests AS r ON r.file = f.file AND r.seq = i.seq
    WHERE i.time IS NOT NULL
    ORDER BY i.file, i.session, i.time, i.seq
"""
_MESSAGES: Final = f"""
    SELECT *, epoch_us(time) - epoch_us({_ZERO}) AS us FROM messages WHERE time IS NOT NULL
    ORDER BY file, time
"""


def _rows(recordings: Recordings, query: str) -> Iterator[dict[str, Any]]:
    result = recordings.connection.execute(query)
    names = [column[0] for column in result.description or ()]
    while rows := result.fetchmany(_BATCH):
        for row in rows:
            yield dict(zip(names, row, strict=True))


def _metadata(kind: str, pid: int, tid: int, **args: object) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": args}


def _slice(pid: int, tid: int, us: float, took: float, row: dict[str, Any]) -> dict[str, Any]:
    told = ("seq", "method", "outcome", "error_code", "ms", "proxy_ms", "bytes", "trace_id", "span_id")
    return {
        "ph": "X",
        "name": row["target"] or row["method"],
        "cat": row["outcome"],
        "pid": pid,
        "tid": tid,
        "ts": us,
        "dur": round(took, 3),
        "args": {name: row[name] for name in told if row[name] is not None},
    }


def _event(pid: int, tid: int, us: float, event: dict[str, Any]) -> dict[str, Any]:
    common = {
        "name": event["method"],
        "cat": f"from {event['source']}",
        "pid": pid,
        "tid": tid,
        "ts": round(us, 3),
        "args": {"source": event["source"]},
    }
    if event["asked"]:
        return {"ph": "X", "dur": round(1000 * (event["ms"] or 0), 3), **common}
    return {"ph": "i", "s": "t", **common}
