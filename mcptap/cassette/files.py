"""What the operating system does for a cassette: opening under a lock, and making it durable."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from mcptap.errors import CassetteError

# A cassette may hold whatever a client and a server say to each other: it is its owner's alone.
_OWNER_ONLY: Final = 0o600


class CassetteInUseError(CassetteError):
    """Another mcptap has the cassette open for writing."""


def open_locked(path: Path) -> int:
    """Open or create ``path`` for appending under an exclusive lock; closing the descriptor frees it.

    Returns:
        A descriptor on the file that ``path`` names now, for reading too.

    Raises:
        CassetteInUseError: Another process holds the lock.
        CassetteError: This is not a regular file.
        OSError: It can't be opened or created.
    """
    while True:
        if path.exists():
            require_regular_file(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _OWNER_ONLY)
        try:
            _lock(path, descriptor)
            # While this waited to be opened and locked, a rewrite may have put another file here.
            if _is_still(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def require_regular_file(path: Path) -> None:
    """Refuse directories, pipes and devices: a cassette is locked, cut and read at any place.

    Raises:
        CassetteError: ``path`` is something else than a regular file.
        OSError: It can't be looked at.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise CassetteError(f"{path} is a directory", "name a file in it")
    if not stat.S_ISREG(mode):
        raise CassetteError(f"{path} is not a regular file", "name a file that a cassette can be in")


def flush(descriptor: int) -> None:
    """Make what was written to a file survive a power loss; raises OSError."""
    # macOS has no fdatasync.
    getattr(os, "fdatasync", os.fsync)(descriptor)


def flush_directory(path: Path) -> None:
    """Make a new name in the directory ``path`` survive a power loss; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CassetteInUseError(
            f"{path} is locked by another mcptap", "stop that one, or record into another file"
        ) from None


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
