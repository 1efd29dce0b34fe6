"""The backup beside a configuration, and writing that leaves either the old file or the new one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import quote

from mcptap.clients.document import Document, parse
from mcptap.clients.places import Place
from mcptap.errors import UsageError

_SUFFIX: Final = "mcptap-backup"


def backup_of(place: Place) -> Path:
    """Where the backup of an entry's configuration is: one for each entry, so that many can be wrapped."""
    path = place.document.path.resolve()
    *table, name = place.pointer
    # Claude Code has the servers of every project in one file.
    project = f"@{hashlib.sha256(repr(table).encode()).hexdigest()[:8]}" if table[:1] == ["projects"] else ""
    return path.with_name(f"{path.name}.{quote(name, safe='')}{project}.{_SUFFIX}")


def read_backup(place: Place) -> Document:
    """The configuration as it was before an entry was wrapped.

    Raises:
        UsageError: There is no backup, or it is damaged.
    """
    backup = backup_of(place)
    try:
        return parse(place.document.path, backup.read_bytes().decode())
    except FileNotFoundError:
        hint = "it wasn't wrapped by `mcptap wrap`: change it by hand"
        raise UsageError(f"there is no backup {backup}", hint) from None
    except (OSError, ValueError, UsageError) as error:
        raise UsageError(
            f"the backup {backup} can't be read: {error}", "put the entry back by hand"
        ) from None


def save(place: Place, edited: str) -> Path:
    """Make the backup, then write the configuration anew.

    Raises:
        UsageError: There is a backup already, or one of the files can't be written; the configuration is
            as it was.
    """
    backup, path = backup_of(place), place.document.path.resolve()
    try:
        mode = path.stat().st_mode & 0o777
        descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        hint = "it is from an earlier wrap: see what is in it, then move it away"
        raise UsageError(f"the backup {backup} exists already", hint) from None
    except OSError as error:
        raise UsageError(f"the backup {backup} can't be made: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(place.document.text.encode())
            file.flush()
            os.fsync(file.fileno())
        write(place, edited)
    except BaseException:
        backup.unlink()
        raise
    return backup


def write(place: Place, edited: str) -> None:
    """Put a new text in the place of a configuration, whole or not at all; its mode and links stay.

    Raises:
        UsageError: It can't be written, or was changed since it was read.
    """
    path = place.document.path.resolve()
    temporary: Path | None = None
    try:
        status = path.stat()
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(edited.encode())
            file.flush()
            os.fchmod(file.fileno(), status.st_mode & 0o777)
            with contextlib.suppress(PermissionError):  # only root can give files away
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fsync(file.fileno())
        if path.read_bytes() != place.document.text.encode():
            raise UsageError(f"{path} was changed by somebody else just now", "try again")
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from None
    finally:
        if temporary is not None:
            temporary.unlink()
