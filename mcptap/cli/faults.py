"""The options for what is to go wrong on purpose."""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click

from mcptap.errors import UsageError

_Function = TypeVar("_Function", bound=Callable[..., Any])
_SEEDS: Final = 1 << 32


def fault_options(function: _Function) -> _Function:
    """Add ``--fault``, ``--fault-file`` and ``--seed``, as ``faults``: arguments of `mcptap.create_tap`."""

    @wraps(function)
    def command(
        *, fault: tuple[str, ...], fault_file: Path | None, seed: int | None, transport: str, **options: Any
    ) -> Any:
        faults = _faults(fault, fault_file, seed, transport) if fault or fault_file else {}
        if seed is not None and not faults:
            raise click.UsageError("--seed goes with --fault or --fault-file")
        return function(faults=faults, transport=transport, **options)

    wrapped: Any = command
    for option in (
        click.option("--seed", type=int, help="Have the same go wrong as in another run."),
        click.option(
            "--fault-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Faults in TOML: faults and seed, or the same in [tool.mcptap].",
        ),
        click.option(
            "--fault",
            multiple=True,
            metavar="'METHOD[:NAME] WORD...'",
            help="Let requests go wrong: delay=, events=, slow=, hang, error=, disconnect, truncate or "
            "malformed; p= is how many.",
        ),
    ):
        wrapped = option(wrapped)
    return cast("_Function", wrapped)


def _faults(texts: tuple[str, ...], file: Path | None, seed: int | None, transport: str) -> dict[str, Any]:
    from mcptap.faults import breaks_frames, parse_faults  # noqa: PLC0415 - not for --help

    table = {} if file is None else _read(file)
    faults = parse_faults(texts, table.get("faults", []))
    if transport == "sse" and breaks_frames(faults):
        raise UsageError(
            "over legacy SSE no frame can be broken or slowed down", "take truncate, malformed and slow out"
        )
    chosen = table.get("seed") if seed is None else seed
    return {"faults": faults, "seed": secrets.randbelow(_SEEDS) if chosen is None else chosen}


def _read(path: Path) -> dict[str, Any]:
    """What a file says: its own ``faults`` and ``seed``, or those of its ``[tool.mcptap]``.

    Raises:
        UsageError: It can't be read, or says something else.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise UsageError(f"{path} can't be read: {why}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
    tool = document.get("tool")
    own = tool.get("mcptap") if isinstance(tool, dict) else None
    table: dict[str, Any] = own if isinstance(own, dict) else document
    seed = table.get("seed", 0)
    if not isinstance(table.get("faults"), list) or not isinstance(seed, int) or isinstance(seed, bool):
        hint = "write faults = ['METHOD[:NAME] WORD...'], and seed = NUMBER"
        raise UsageError(f"{path} has no list of faults, or a seed that is no number", hint)
    return table
