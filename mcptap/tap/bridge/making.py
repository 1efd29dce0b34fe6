"""The bridge of a tap, as its user wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from anyio.abc import TaskGroup

from mcptap.errors import McptapError
from mcptap.model import Json
from mcptap.player import Player
from mcptap.tap.bridge.bridge import Bridge, Eagerness
from mcptap.tap.bridge.way import Surroundings
from mcptap.tap.callers import Callers
from mcptap.tap.downstream import Downstreams

Bridging: TypeAlias = Literal["auto", "off"] | None
"""``auto``: whoever needs it is bridged; ``off``: nobody. ``None``, the default: before a live server,
whoever doesn't fall back by itself; before a recording nobody."""

STATE_LIFETIME: Final = 300.0
"""Seconds for which a bridged client may take to answer what the server asked."""


def make_bridge(
    bridging: Bridging,
    downstreams: Downstreams,
    tasks: TaskGroup,
    player: Player | None,
    *,
    learn: Callable[[Json], None],
    trouble: Callable[[McptapError], None],
    hint: Callable[[str], None],
    callers: Callable[[], Callers],
    patience: Callable[[], float],
) -> Bridge | None:
    """Make the bridge, if there is to be one.

    Args:
        bridging: What the user wants.
        downstreams: The clients.
        tasks: Owns what goes on while no request of a client is open.
        player: What answers in a replay; ``None`` for a live server.
        learn: Takes results of ``tools/list``, from which headers are made.
        trouble: Told why the server can't be used.
        hint: Told what the user may want to know.
        callers: Makes what learns the processes of a client.
        patience: How long a client may be silent that might be dead, in seconds.
    """
    if bridging == "off" or (bridging is None and player is not None):
        return None
    around = Surroundings(
        tasks=tasks,
        would_answer=player.knows if player else lambda *_: True,
        learn=learn,
        trouble=trouble,
        lifetime=STATE_LIFETIME,
        hint=hint,
        callers=callers,
        patience=patience,
    )
    eagerness: Eagerness = "at once" if bridging == "auto" else "unless it falls back"
    return Bridge(downstreams, around, eagerness, player.spoken if player else None)
