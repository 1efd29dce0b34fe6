"""What is bound to a live exchange and therefore made anew when a recorded one is played."""

from __future__ import annotations

from dataclasses import replace

from mcptap.model import Event, Interaction, Json
from mcptap.protocol import META, PROGRESS_TOKEN, SUBSCRIPTION_META, meta_of, progress_token_of


def live_event(
    event: Event, interaction: Interaction, live_params: Json | None, live_id: str | int | None = None
) -> Event | None:
    """Bind a recorded event to the live request that it is played in (rule 4).

    Args:
        event: An event of ``interaction``.
        interaction: The interaction that is being played.
        live_params: The params of the live request.
        live_id: Its JSON-RPC id, which is also the id of a subscription that it opens.

    Returns:
        The event with the live request's progress token and subscription id in place of the recorded
        ones; ``None`` where the live request has no token, because such a client didn't ask for progress.
    """
    params = event.params
    if params is None:
        return event
    if SUBSCRIPTION_META in meta_of(params) and live_id is not None:
        params = {**params, META: {**meta_of(params), SUBSCRIPTION_META: live_id}}
    recorded = progress_token_of(interaction.params)
    if recorded is not None and params.get(PROGRESS_TOKEN) == recorded:
        live = progress_token_of(live_params)
        if live is None:
            return None
        params = {**params, PROGRESS_TOKEN: live}
    return event if params is event.params else replace(event, params=params)
