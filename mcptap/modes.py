"""Record modes: what a cassette's name and its presence decide, before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mcptap.cassette.naming import is_folder
from mcptap.cassette.writer import WriteMode
from mcptap.errors import CassetteError, UsageError

RecordMode: TypeAlias = Literal["all", "once", "new-episodes", "none", "rewrite"]
"""``all`` records everything and appends, ``once`` records a cassette that is absent and replays one that
is there, ``new-episodes`` replays what is known and records what is new, ``none`` only replays, and
``rewrite`` records everything in the place of what was there."""

MODES: Final[tuple[RecordMode, ...]] = ("all", "once", "new-episodes", "none", "rewrite")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does with its cassette.

    Attributes:
        replays: Whether requests are answered from it.
        write: How it is written: with the real server's answers to all requests or, where it replays,
            to those that it doesn't have; ``None`` where the real server is not asked at all.
    """

    replays: bool
    write: WriteMode | None


def plan_of(mode: RecordMode, path: Path) -> Plan:
    """Decide what a run does in a record mode.

    Args:
        mode: The mode.
        path: The cassette. An empty file counts as absent.

    Raises:
        UsageError: ``path`` is a folder, in which each run has a new cassette, and the mode wants one
            that may be there.
        CassetteError: The cassette is absent, and nothing may be recorded.
    """
    if mode in ("all", "rewrite"):
        return Plan(replays=False, write=mode)
    if is_folder(path):
        raise UsageError(
            f"the record mode {mode} needs a cassette, and {path} is a folder", "name a file in it"
        )
    if path.exists() and path.stat().st_size:
        return Plan(replays=True, write="all" if mode == "new-episodes" else None)
    if mode == "none":
        raise CassetteError(
            f"{path} does not exist, and the record mode is none", "record it in another mode, such as once"
        )
    return Plan(replays=False, write="all")
