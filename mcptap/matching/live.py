"""What is bound to a live exchange and therefore made anew when a recorded one is played."""

from __future__ import annotations

from dataclasses import replace

from mcptap.model import Event, Interaction, Json
from mcptap.protocol import PROGRESS_TOKEN, progress_token_of


def live_event(event: Event, interaction: Interaction, live_params: Json | None) -> Event | None:
    """Bind a recorded event to the live request that it is played in (rule 4).

    Args:
        event: An event of ``interaction``.
        interaction: The interaction that is being played.
        live_params: The params of the live request.

    Returns:
        The event with the live request's progress token in place of the recorded one; ``None`` where
        the live request has none, because such a client didn't ask for progress.
    """
    recorded = progress_token_of(interaction.params)
    params = event.params
    if recorded is None or params is None or params.get(PROGRESS_TOKEN) != recorded:
        return event
    live = progress_token_of(live_params)
    return None if live is None else replace(event, params={**params, PROGRESS_TOKEN: live})
