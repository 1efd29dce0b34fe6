"""From a path to a recorder that writes there, and back to a closed cassette."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mcptap import __version__
from mcptap.cassette.naming import claim, is_folder
from mcptap.cassette.normalizing import normalize
from mcptap.cassette.writer import PARTIAL_SUFFIX, CassetteWriter, Fsync, WriteMode
from mcptap.errors import RecordingError
from mcptap.model import CassetteHeader, Target
from mcptap.recorder import Recorder
from mcptap.redaction.header import redacted_header, redactor_of, same_rules
from mcptap.redaction.lines import RedactingSink
from mcptap.redaction.redactor import Redactor
from mcptap.redaction.rules import BUILT_IN

OnWriteError: TypeAlias = Literal["stop", "continue"]
_FSYNC_INTERVAL: Final = 1.0


@dataclass(frozen=True, slots=True)
class Recording:
    """Where and how to record.

    Attributes:
        path: The cassette, or a folder in which each run gets a cassette of its own.
        mode: ``all`` appends to a cassette that is there; ``rewrite`` replaces it at the end.
        fsync: What survives a power loss: every line, all but the last second, or what the system wrote.
        on_write_error: Whether to stop when something can't be recorded, or go on and mark a gap.
        redaction: The rules that take secrets out (see `parse_rules`); none keeps everything.
        normalize: Whether to normalize the cassette when it is closed, so that two runs compare.
        given: What the server is sent beside the messages, by name: the user's own headers, and its URL.
            Secrets among it are taken out of what the server says, whose they are not to tell.
        keep: Asked at the end of a rewrite whether it replaces what was there; if not, nothing is left of it.
    """

    path: Path
    mode: WriteMode = "all"
    fsync: Fsync = "interval"
    on_write_error: OnWriteError = "stop"
    redaction: tuple[str, ...] = BUILT_IN
    normalize: bool = False
    given: Mapping[str, str] = field(default_factory=dict)
    keep: Callable[[], bool] = lambda: True


@contextlib.contextmanager
def record_to(
    path: str | Path, *, name: str = "server", redaction: Sequence[str] = BUILT_IN
) -> Iterator[Recorder]:
    """Open a cassette for a `TapMiddleware`; leaving the context closes it.

    Args:
        path: The cassette (appended to if it is there), or a folder in which it gets a file of its own.
        name: What the server is called in it.
        redaction: See `Recording`.

    Raises:
        UsageError: One of ``redaction`` is no rule.
        CassetteError: It can't be opened for writing.
        RecordingError: Something could not be recorded.
    """
    failures: list[RecordingError] = []
    target = Target(name, "memory", ())
    recording = Recording(Path(path), redaction=tuple(redaction))
    with open_recording(recording, target, on_failure=failures.append) as opened:
        yield opened.recorder
    if failures:
        raise failures[0]


@dataclass(frozen=True, slots=True)
class OpenRecording:
    """A recording that is being made, and the cassette that it goes to.

    ``torn`` is where the torn end of an earlier run was saved, if there was one; ``redactor`` takes
    the secrets out, unless they are kept.
    """

    recorder: Recorder
    path: Path
    torn: Path | None
    redactor: Redactor | None


@contextlib.contextmanager
def open_recording(
    recording: Recording, target: Target, *, on_failure: Callable[[RecordingError], None]
) -> Iterator[OpenRecording]:
    """Open a cassette and a recorder that writes to it; leaving the context closes both.

    A cassette that was named by mcptap, and in which nothing has come to stand, is removed again.

    Args:
        recording: Where and how.
        target: What the header says of the server.
        on_failure: Told of everything that could not be recorded.

    Raises:
        UsageError: One of the redaction rules is none.
        CassetteError: The cassette can't be opened for writing, or was recorded by other rules.
    """
    now = datetime.now(UTC)
    claimed = is_folder(recording.path)
    path = claim(recording.path, target.name, now) if claimed else recording.path
    header = CassetteHeader(
        id=uuid.uuid4().hex, recorded_at=_rfc3339(now), by=f"mcptap {__version__}", upstream=target
    )
    header = redacted_header(header, recording.redaction)
    writer = CassetteWriter.open(path, header, mode=recording.mode, fsync=recording.fsync)
    try:
        redactor = redactor_of(same_rules(path, writer.header, header))
    except BaseException:
        writer.close(replace=False)
        raise
    recorder = Recorder(
        writer if redactor is None else RedactingSink(writer, redactor, recording.given),
        first_seq=writer.next_seq,
        first_session=writer.next_session,
        elapsed=writer.elapsed0,
        started_at=_rfc3339(now) if writer.appending else None,
        on_write_error=recording.on_write_error,
        on_failure=on_failure,
        path=path,
        redactor=redactor,
    )
    with _synced(writer, on_failure) if recording.fsync == "interval" else contextlib.nullcontext():
        try:
            yield OpenRecording(recorder, path, writer.torn, redactor)
        finally:
            with contextlib.suppress(RecordingError):  # on_failure has heard of it
                recorder.close()
    if not recording.keep() and recording.mode == "rewrite":
        # Before it is closed: another one may begin to write it then.
        path.with_name(path.name + PARTIAL_SUFFIX).unlink(missing_ok=True)
        writer.close(replace=False)
        return
    try:
        writer.close()
    except RecordingError as error:
        on_failure(error)
    if claimed and not recorder.written:
        path.unlink(missing_ok=True)
    elif recording.normalize:
        # Only now: a line that waits to be put in order would not survive the end of this process.
        try:
            normalize(path)
        except RecordingError as error:
            on_failure(error)


@contextlib.contextmanager
def _synced(writer: CassetteWriter, on_failure: Callable[[RecordingError], None]) -> Iterator[None]:
    """Sync once a second, in a thread, as a slow disk must not hold up a request."""
    over = threading.Event()

    def sync() -> None:
        while not over.wait(_FSYNC_INTERVAL):
            try:
                writer.sync()
            except RecordingError as error:
                on_failure(error)
                return

    thread = threading.Thread(target=sync, name="mcptap-sync", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
