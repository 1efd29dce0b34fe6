"""Appending to a cassette, a line at a time (CASSETTE.md, "Promises of the writer")."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from mcptap import codec
from mcptap.cassette.files import flush, flush_directory, open_locked
from mcptap.cassette.format import header_line
from mcptap.cassette.framing import framing_of
from mcptap.cassette.recovery import resume
from mcptap.cassette.scanning import damaged
from mcptap.errors import CassetteError, RecordingError
from mcptap.model import CassetteHeader

WriteMode: TypeAlias = Literal["all", "rewrite"]
Fsync: TypeAlias = Literal["always", "interval", "never"]

PARTIAL_SUFFIX = ".partial"


class WriteFailedError(RecordingError):
    """A line could not be written; the cassette stands as it did before, without it."""


class CassetteWriter:
    """An open cassette, with the lock on it; made by `open`.

    Attributes:
        path: The cassette's name (a rewrite has it only after `close`).
        header: Its header: the file's own where it goes on with one.
        appending: Whether it goes on with an earlier recording.
        next_seq: The first ``seq`` that was free when it was opened; the recorder counts on from it.
        next_session: The first free ``session``, likewise.
        elapsed0: Seconds from the header's ``recorded_at`` to now, and no less than the latest ``at``
            in the file even where the clock was set back; 0.0 for a new file. An appended run adds it
            to its own times.
        torn: Where the torn end of the earlier recording was saved, if it had one.
    """

    path: Path
    header: CassetteHeader
    appending: bool = False
    next_seq: int = 1
    next_session: int = 1
    elapsed0: float = 0.0
    torn: Path | None = None

    def __init__(self, path: Path, header: CassetteHeader, mode: WriteMode, fsync: Fsync) -> None:
        self.path = path
        self.header = header
        self._framing = framing_of(path)
        self._fsync = fsync
        self._rewrites = mode == "rewrite"
        self._written_path = path.with_name(path.name + PARTIAL_SUFFIX) if self._rewrites else path
        self._descriptor: int | None = None
        self._replaced_descriptor: int | None = None
        self._size = 0
        self._must_take_back = False
        self._must_flush = False

    @classmethod
    def open(
        cls, path: Path, header: CassetteHeader, *, mode: WriteMode = "all", fsync: Fsync = "interval"
    ) -> Self:
        """Open the cassette ``path``, locked against every other writer; missing folders are made.

        Args:
            path: Its name; one that ends in ``.zst`` is compressed.
            header: The header of a new cassette; one that is there keeps its own.
            mode: ``all`` goes on with the cassette if there is one. ``rewrite`` writes NAME.partial
                and puts it in its place at the end.
            fsync: When a line is made to survive a power loss: ``always`` with every `append`,
                ``interval`` with every `sync` (which the caller does), ``never`` by itself.

        Raises:
            CassetteError: It is locked or damaged, no cassette or of a newer format, or can't be written.
            WriteFailedError: The header of a new cassette can't be written.
        """
        writer = cls(path, header, mode, fsync)
        try:
            writer._open()
        except BaseException as error:
            writer._release()
            if isinstance(error, OSError):
                raise CassetteError(
                    f"{path} can't be written: {error.strerror}", "name a file that you can write"
                ) from error
            raise
        return writer

    def append(self, line: Mapping[str, Any]) -> int:
        """Write one line with a single `os.write`, so that it survives the end of this process.

        Returns:
            How many bytes it has in the file.

        Raises:
            WriteFailedError: It can't be written; what was written of it has been taken back.
            TypeError: ``line`` holds something that is not JSON.
        """
        return self.append_text(codec.dumps(dict(line)))

    def append_text(self, text: bytes) -> int:
        """Write one line that is JSON text already, as `append` does.

        Returns:
            How many bytes it has in the file.

        Raises:
            WriteFailedError: It can't be written; what was written of it has been taken back.
        """
        data = self._framing.encode(text)
        descriptor = self._require_open()
        if self._must_take_back:
            self._take_back(descriptor)
        try:
            written = os.write(descriptor, data)
            if written == len(data) and self._fsync == "always":
                flush(descriptor)
        except OSError as error:
            self._take_back(descriptor)
            raise WriteFailedError(f"{self._written_path} can't be written: {error.strerror}") from error
        if written < len(data):
            self._take_back(descriptor)
            raise WriteFailedError(
                f"{self._written_path} took only {written} of {len(data)} bytes: is the disk full?"
            )
        self._size += written
        self._must_flush = self._fsync != "always"
        return written

    def sync(self) -> None:
        """Make everything appended so far survive a power loss; nothing to do is nothing done.

        It may run in another thread than `append`.

        Raises:
            WriteFailedError: The disk reports an error.
        """
        descriptor = self._require_open()
        if not self._must_flush:
            return
        # Before the flush: a line that is appended meanwhile waits for the next one.
        self._must_flush = False
        try:
            flush(descriptor)
        except OSError as error:
            self._must_flush = True
            raise WriteFailedError(f"{self._written_path} can't be synced: {error.strerror}") from error

    def close(self, *, replace: bool = True) -> None:
        """Sync (unless ``fsync`` is ``never``) and free the cassette; once is enough, twice is harmless.

        Args:
            replace: Whether a rewrite replaces the old cassette; otherwise that stays as it is, and so
                does NAME.partial.

        Raises:
            WriteFailedError: The disk reports an error; a rewrite has replaced nothing then.
            CassetteError: Another mcptap has opened what a rewrite would replace.
        """
        if self._descriptor is None:
            return
        try:
            if self._fsync != "never":
                self.sync()
            if self._rewrites and replace:
                self._replace()
        except OSError as error:
            raise WriteFailedError(f"{self.path} can't be replaced: {error.strerror}") from error
        finally:
            self._release()

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise CassetteError(
                f"{self.path.parent} is not a directory", "name a file that you can write"
            ) from None
        if self._rewrites:
            self._lock_replaced()
        self._descriptor = open_locked(self._written_path)
        if self._rewrites:
            os.ftruncate(self._descriptor, 0)
        elif os.fstat(self._descriptor).st_size > 0:
            self._resume(self._descriptor)
            return
        self.append(header_line(self.header))
        if self._fsync != "never":
            flush_directory(self.path.parent)

    def _resume(self, descriptor: int) -> None:
        resumed = resume(self.path, descriptor, self._framing)
        try:
            elapsed = (datetime.now(UTC) - datetime.fromisoformat(resumed.header.recorded_at)).total_seconds()
        except (ValueError, TypeError):
            raise damaged(self.path, 1, "its 'recorded_at' is not a time with its zone") from None
        self.header = resumed.header
        self.appending = True
        self.next_seq = resumed.next_seq
        self.next_session = resumed.next_session
        self.elapsed0 = max(elapsed, resumed.latest_at)
        self.torn = resumed.torn
        self._size = os.fstat(descriptor).st_size

    def _lock_replaced(self) -> None:
        """Keep others from recording into a file that is about to be replaced."""
        if self._replaced_descriptor is None and self.path.exists():
            self._replaced_descriptor = open_locked(self.path)

    def _replace(self) -> None:
        self._lock_replaced()
        self._written_path.replace(self.path)
        if self._fsync != "never":
            flush_directory(self.path.parent)

    def _take_back(self, descriptor: int) -> None:
        """Cut the file to its complete lines; until that works nothing may be written behind them."""
        self._must_take_back = True
        try:
            os.ftruncate(descriptor, self._size)
        except OSError as error:
            raise WriteFailedError(
                f"{self._written_path} can't be cut back to its last complete line: {error.strerror}"
            ) from error
        self._must_take_back = False

    def _require_open(self) -> int:
        if self._descriptor is None:
            raise WriteFailedError(f"{self.path} is closed")
        return self._descriptor

    def _release(self) -> None:
        for descriptor in (self._descriptor, self._replaced_descriptor):
            if descriptor is not None:
                os.close(descriptor)
        self._descriptor = self._replaced_descriptor = None
