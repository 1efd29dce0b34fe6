"""Which processes run: to know that a server is gone, one has to look."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from mcptap.errors import UpstreamError

_PROC: Final = Path("/proc")
_ROW: Final = 4


class Process(NamedTuple):
    """A running process; ``command`` is its argv, joined by spaces."""

    pid: int
    parent: int
    command: str


def running() -> list[Process]:
    """Every running process that may be seen; one that has ended but was not waited for is none."""
    return list(_from_proc() if (_PROC / "self" / "stat").exists() else _from_ps())


def child_of(word: str) -> Process:
    """The child of the process that has ``word`` in its command.

    Raises:
        UpstreamError: There is none.
    """
    processes = running()
    parents = {process.pid for process in processes if word in process.command}
    child = next((each for each in processes if each.parent in parents and each.pid not in parents), None)
    if child is None:
        raise UpstreamError(f"the server of {word} was not found among the running processes")
    return child


def is_gone(process: Process) -> bool:
    """Whether a process has ended; another one may have got its number since."""
    return all((each.pid, each.command) != (process.pid, process.command) for each in running())


def _from_proc() -> Iterator[Process]:
    for folder in _PROC.glob("[0-9]*"):
        try:
            # The name, in parentheses, may hold anything; the state and the parent follow it.
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_text(errors="replace")
        except (OSError, ValueError):
            continue
        if state != "Z":
            yield Process(int(folder.name), int(parent), command.replace("\0", " ").strip())


def _from_ps() -> Iterator[Process]:
    table = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,command="],  # noqa: S607 - wherever ps is
        capture_output=True,
        check=True,
        text=True,
        errors="replace",
    )
    for line in table.stdout.splitlines():
        fields = line.split(None, _ROW - 1)
        if len(fields) == _ROW and not fields[2].startswith("Z"):
            yield Process(int(fields[0]), int(fields[1]), fields[3].strip())
