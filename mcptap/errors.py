"""The errors that mcptap reports to a person: few classes, each with an exit code and a hint.

The exit codes are part of the command line's contract (README, "Exit codes").
"""

from __future__ import annotations

from typing import ClassVar


class McptapError(Exception):
    """Anything that mcptap reports as one line on stderr.

    Args:
        message: What is wrong, in one line.
        hint: What to do about it, in one line; empty where the message says it all.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class ReplayError(McptapError):
    """A replay has missed requests, or left recorded ones unused (exit code 1)."""


class UsageError(McptapError):
    """The command or the call can't be carried out as it was put (exit code 2)."""

    exit_code = 2


class CassetteError(McptapError):
    """A cassette can't be read or opened for writing (exit code 3)."""

    exit_code = 3


class UpstreamError(McptapError):
    """The real server can't be reached, or went away (exit code 4)."""

    exit_code = 4


class RecordingError(McptapError):
    """Something could not be recorded (exit code 5)."""

    exit_code = 5
