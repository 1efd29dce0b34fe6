"""One line for the user about what can't be set up or sent, whatever raises what there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from http.client import HTTPException, RemoteDisconnected

from mcptap.errors import McptapError, UsageError


@contextlib.contextmanager
def refusing(what: str, hint: str = "check the OTEL_ variables") -> Iterator[None]:
    """Have the user told what can't be done, and why, if the context raises.

    Args:
        what: What can't be done then.
        hint: What to do about it.

    Raises:
        UsageError: The context has raised.
    """
    try:
        yield
    except McptapError:
        raise
    except Exception as error:
        raise UsageError(f"{what}: {reason_of(error)}", hint) from error


def reason_of(error: BaseException) -> str:
    """Why something failed, in one line: what the system has said, if that is behind it."""
    inner: BaseException | None = error
    while inner is not None:
        match inner:
            case OSError(strerror=str(said)) if said:
                return " ".join(said.split())
            case TimeoutError():
                return "no answer in time"
            case RemoteDisconnected():
                return "the connection was closed without an answer"
            case HTTPException():
                return "the answer is no HTTP"
        inner = inner.__cause__ or (None if inner.__suppress_context__ else inner.__context__)
    said = " ".join(str(error).split())
    if said and isinstance(error, OSError | ValueError | RuntimeError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
