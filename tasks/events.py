"""What happened, as Prefect events: automations react to them, and the UI's event feed shows them.

Counts, keys and reasons in words of ours; never people. Nothing here can fail a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from prefect.events import emit_event

from tasks.installation import log
from tasks.publish import in_a_run


class Event(StrEnum):
    """The events this project emits; automations name them (deployments/automations.py)."""

    WAVE_PLANNED = "pushpull.wave.planned"
    WAVE_HELD = "pushpull.wave.held"  # a person is asked
    WAVE_APPROVED = "pushpull.wave.approved"
    WAVE_REJECTED = "pushpull.wave.rejected"
    WAVE_DISPATCHED = "pushpull.wave.dispatched"  # some of it was sent
    WAVE_FINISHED = "pushpull.wave.finished"
    WAVE_STOPPED = "pushpull.wave.stopped"  # a pause, a cancellation or a stop signal ended its sending
    CAMPAIGN_STOPPED = "pushpull.campaign.stopped"  # a stop threshold was reached
    CHANNEL_STOPPED = "pushpull.channel.stopped"  # it cannot send until a person resumes it
    PERSON_NEEDED = "pushpull.person.needed"
    DECIDED = "pushpull.person.decided"  # somebody decided something, by the form of the decide deployment


def announce(event: Event, *, about: str, name: str, payload: Mapping[str, object] | None = None) -> None:
    """Emit an event; nothing outside of a flow run.

    Args:
        about: the resource's id after ``pushpull.``, e.g. ``wave.7``, ``campaign.two-minutes-a-day``,
            ``channel.email``, ``ledger``.
        name: what people call it, e.g. the wave's key.
        payload: counts and keys.
    """
    if not in_a_run():
        return
    try:
        emit_event(
            event=event.value,
            resource={"prefect.resource.id": f"pushpull.{about}", "prefect.resource.name": name},
            payload=dict(payload or {}),
        )
    except Exception as error:  # noqa: BLE001  # whatever Prefect's client raised: it is only told
        log.warning("Prefect could not be told of %s", event.value, extra={"error": type(error).__name__})
